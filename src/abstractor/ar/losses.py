"""Losses of one case; the mean over cases is the caller's. B cases, Q questions, O options (or the vocabulary)."""

from torch import Tensor
from torch.nn import functional

from abstractor.ar.prompts import UNCODED
from abstractor.rdrop import categorical_divergence


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over a case's coded questions of -log softmax(logits)[target].

    Args:
        logits: (B, Q, O), over the answer tokens of each question or over the vocabulary.
        targets: (B, Q), places in O; `UNCODED` questions do not count.

    Returns:
        (B,) float32; 0 for a case without any coded question.
    """
    losses = functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), reduction="none", ignore_index=UNCODED
    )
    coded = (targets != UNCODED).sum(dim=1).clamp(min=1)
    return losses.view(targets.shape).sum(dim=1) / coded


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """Sum over questions of (KL(p1||p2) + KL(p2||p1)) / 2, coded or not (R-Drop, arXiv 2106.14448).

    Args:
        first: (B, Q, O) logits of a pass with dropout.
        second: (B, Q, O) logits of another pass.

    Returns:
        (B,) float32, in nats.
    """
    return categorical_divergence(first.flatten(0, 1), second.flatten(0, 1)).view(first.shape[:2]).sum(dim=1)
