"""Losses of one case; the mean over cases is the caller's. B cases, Q questions, O options of the longest list."""

from torch import Tensor

from abstractor.training.loop.rdrop import categorical_divergence


def cross_entropy(log_shares: Tensor, targets: Tensor) -> Tensor:
    """Mean over a case's coded questions of -sum over options of target * log share.

    Args:
        log_shares: (B, Q, O), logarithm of the share that the model gives to each option.
        targets: (B, Q, O), shares that sum to 1: one 1 for a code, more for a soft label; a question with NaN is not
            coded and does not count.

    Returns:
        (B,) float32; 0 for a case without any coded question.
    """
    coded = ~targets.isnan().any(dim=2)
    losses = -(targets.nan_to_num() * log_shares.float()).sum(dim=2)
    return (losses * coded).sum(dim=1) / coded.sum(dim=1).clamp(min=1)


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """Sum over questions of (KL(p1||p2) + KL(p2||p1)) / 2, coded or not (R-Drop, arXiv 2106.14448).

    Args:
        first: (B, Q, O) logits of a pass with dropout.
        second: (B, Q, O) logits of another pass.

    Returns:
        (B,) float32, in nats.
    """
    return categorical_divergence(first.flatten(0, 1), second.flatten(0, 1)).view(first.shape[:2]).sum(dim=1)
