"""What a sequence classifier minimises.

B cases, K outputs (one a binary variable, one a code of a categorical one), N binary variables, C codes of one
categorical variable. Targets are probabilities, hard or soft, NaN where nobody coded.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from abstractor.models.sc.columns import Layout
from abstractor.training.loop import rdrop

_CLOSE = 1e-6
"""A prediction nearer to its target counts as this far: below an exponent of 1 the slope of focal loss has no bound."""
_RARE = 1e-12
"""A code that no case has counts as this frequent: its logit has to be finite."""


class Terms(NamedTuple):
    """What the supervised loss of a case adds up, and how."""

    binary: float
    """Weight of the binary losses, summed over the variables."""
    categorical: float
    """Weight of each categorical variable's loss."""
    lovasz: float = 0.0
    """Weight of `lovasz_loss`."""
    focal: float = 0.0
    """Exponent of focal loss; 0: plain cross entropy."""
    smoothing: float = 0.0
    """Share of a uniform guess in every target."""


def binary_loss(logits: Tensor, targets: Tensor, focal: float = 0.0) -> Tensor:
    """|t - p|^focal times the cross entropy of t and p, summed over the coded variables of a case.

    Focal loss (arXiv 1708.02002) in its form for soft targets (arXiv 2006.04388).

    Args:
        logits: (B, N).
        targets: (B, N), NaN where not coded.
        focal: exponent; 0: plain cross entropy.

    Returns:
        (B,), in nats.
    """
    coded, known = ~targets.isnan(), targets.nan_to_num()
    losses = binary_cross_entropy_with_logits(logits, known, reduction="none")
    if focal:
        losses = losses * (known - logits.sigmoid()).abs().clamp(min=_CLOSE) ** focal
    return (losses * coded).sum(dim=1)


def categorical_loss(logits: Tensor, targets: Tensor, focal: float = 0.0) -> Tensor:
    """Sum over codes of t (1 - p)^focal (-log p) of one categorical variable (arXiv 1708.02002).

    Args:
        logits: (B, C).
        targets: (B, C); a row of NaN where not coded.
        focal: exponent; 0: plain cross entropy.

    Returns:
        (B,), in nats; 0 where not coded.
    """
    losses = -logits.log_softmax(dim=1)
    if focal:
        losses = losses * (1 - logits.softmax(dim=1)).clamp(min=_CLOSE) ** focal
    return (targets.nan_to_num() * losses).sum(dim=1)


def lovasz_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Symmetric Lovasz hinge (arXiv 1705.08790) over the coded binary variables of a case.

    The hinge bounds the Jaccard loss of the set of variables that are 1. Symmetric: the mean of that and of the hinge
    for those that are 0, with negated logits. Taken over the variables of a case, not over the cases of a variable, it
    does not depend on the batch. A soft target counts as its nearest code.

    Args:
        logits: (B, N).
        targets: (B, N), NaN where not coded.

    Returns:
        (B,); 0 without any coded variable.
    """
    coded, ones = ~targets.isnan(), targets > 0.5
    # 1 - logit * sign is the same for both classes, so one order serves both; what is not coded comes last.
    errors = torch.where(ones, 1 - logits, 1 + logits).masked_fill(~coded, -torch.inf)
    errors, order = errors.sort(dim=1, descending=True, stable=True)
    ones, zeros = ones.gather(1, order), (coded & ~ones).gather(1, order)
    slopes = (_jaccard_steps(ones, zeros) + _jaccard_steps(zeros, ones)) / 2
    return (errors.relu() * slopes).sum(dim=1)


def _jaccard_steps(members: Tensor, others: Tensor) -> Tensor:
    """What each further mistake, largest first, adds to the Jaccard loss of a set. Shapes (B, N), (B, N) -> (B, N)."""
    size = members.sum(dim=1, keepdim=True)
    union = size + others.cumsum(dim=1)
    loss = 1 - (size - members.cumsum(dim=1)) / union.clamp(min=1)
    return loss.diff(dim=1, prepend=loss.new_zeros(len(loss), 1))


def smoothed(layout: Layout, targets: Tensor, share: float) -> Tensor:
    """Mix every target, soft ones too, with a uniform guess: t (1 - share) + share / codes (arXiv 1512.00567).

    Smoothing hard targets alone would put a target of .999 above one of 1. Shapes (B, K) -> (B, K).
    """
    codes = targets.new_full(targets.shape[1:], 2)
    for outputs in layout.categorical_outputs:
        codes[outputs] = outputs.stop - outputs.start
    return targets * (1 - share) + share / codes


def supervised_loss(layout: Layout, logits: Tensor, targets: Tensor, terms: Terms) -> Tensor:
    """Weighted sum of all variables' losses.

    Args:
        layout: where the variables stand.
        logits: (B, K).
        targets: (B, K), NaN where not coded.
        terms: see `Terms`.

    Returns:
        (B,).
    """
    targets = smoothed(layout, targets, terms.smoothing)
    binary_logits, binary_targets = logits[:, layout.binary_outputs], targets[:, layout.binary_outputs]
    loss = terms.binary * binary_loss(binary_logits, binary_targets, terms.focal)
    for outputs in layout.categorical_outputs:
        loss = loss + terms.categorical * categorical_loss(logits[:, outputs], targets[:, outputs], terms.focal)
    if terms.lovasz:
        loss = loss + terms.lovasz * lovasz_loss(binary_logits, binary_targets)
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


def constant_loss(layout: Layout, targets: Tensor, terms: Terms) -> float:
    """Mean supervised loss of a predictor that knows the shares of the targets only.

    Of hard targets and plain cross entropy it is the entropy of each variable.

    Args:
        layout: where the variables stand.
        targets: (cases, K), NaN where not coded.
        terms: see `Terms`.
    """
    targets = targets.double()
    mixed, coded = smoothed(layout, targets, terms.smoothing), ~targets.isnan()
    shares = (mixed.nan_to_num().sum(dim=0) / coded.sum(dim=0).clamp(min=1)).clamp(_RARE, 1 - _RARE)
    logits = shares.logit()
    for outputs in layout.categorical_outputs:
        logits[outputs] = shares[outputs].log()
    return float(supervised_loss(layout, logits.expand(len(targets), -1), targets, terms).mean())
