"""What a sequence classifier minimises.

B cases, K outputs (one logit a binary variable, one a code of a categorical one), V variables.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from abstractor import rdrop
from abstractor.sc.layout import NOT_CODED, Layout


def binary_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy, summed over the coded variables of a case.

    Args:
        logits: (B, N).
        labels: (B, N), 0, 1 or NOT_CODED.

    Returns:
        (B,).
    """
    losses = binary_cross_entropy_with_logits(logits, labels.clamp(min=0).to(logits.dtype), reduction="none")
    return (losses * (labels != NOT_CODED)).sum(dim=1)


def categorical_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of one categorical variable; 0 where it is not coded. Shapes (B, C), (B,) -> (B,)."""
    return cross_entropy(logits, labels, ignore_index=NOT_CODED, reduction="none")


def supervised_loss(layout: Layout, logits: Tensor, labels: Tensor, binary: float, categorical: float) -> Tensor:
    """Weighted sum of all variables' losses.

    Args:
        layout: where the variables stand.
        logits: (B, K).
        labels: (B, V), index of the code in the codebook, or NOT_CODED.
        binary: weight of the binary part.
        categorical: weight of each categorical variable.

    Returns:
        (B,).
    """
    loss = binary * binary_loss(logits[:, layout.binary_outputs], labels[:, layout.binary_labels])
    for outputs, column in zip(layout.categorical_outputs, layout.categorical_labels, strict=True):
        loss = loss + categorical * categorical_loss(logits[:, outputs], labels[:, column])
    return loss


def rdrop_loss(layout: Layout, first: Tensor, second: Tensor, form: str) -> Tensor:
    """How far two passes disagree (arXiv 2106.14448); see `abstractor.rdrop`. Shapes (B, K), (B, K) -> (B,)."""
    binary_first, binary_second = first[:, layout.binary_outputs], second[:, layout.binary_outputs]
    if form == "mse":
        return rdrop.squared_difference(binary_first, binary_second)
    loss = rdrop.binary_divergence(binary_first, binary_second)
    for outputs in layout.categorical_outputs:
        loss = loss + rdrop.categorical_divergence(first[:, outputs], second[:, outputs])
    return loss


def constant_loss(layout: Layout, labels: Tensor, binary: float, categorical: float) -> float:
    """Mean supervised loss of a predictor that knows the label shares only: the entropy of each variable.

    Args:
        layout: where the variables stand.
        labels: (cases, V).
        binary: weight of the binary part.
        categorical: weight of each categorical variable.
    """
    total = 0.0
    weights = [(column, binary) for column in layout.binary_labels]
    weights += [(column, categorical) for column in layout.categorical_labels]
    for column, weight in weights:
        coded = labels[:, column][labels[:, column] != NOT_CODED]
        shares = torch.bincount(coded).double() / max(len(coded), 1)
        entropy = -torch.special.xlogy(shares, shares).sum()
        total += weight * float(entropy) * len(coded) / len(labels)
    return total
