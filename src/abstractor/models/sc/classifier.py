"""The classifier of SC1 and SC2: a backbone, a pooling, one linear head over all variables or one that asks for each.

R rows, B cases, L tokens, H hidden units, S samples of dropout, K outputs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from abstractor.models.sc import families
from abstractor.models.sc.label_head import LabelHead

Named = list[tuple[str, nn.Parameter]]


class SequenceClassifier(nn.Module):
    """Logits of all variables for each case, whatever the form; called with the tensors of `rows.micro_batch`."""

    backbone: Any
    """A transformers or peft model."""
    origin: str
    """Of the head: "pretrained", or "new"."""

    def parts(self) -> tuple[Named, Named]:
        """Names and weights of what was pretrained, and those of a new head."""
        raise NotImplementedError

    def head_apart(self, adapter: bool) -> Named:
        """Names and weights of the head where it is no part of what transformers or peft writes.

        Args:
            adapter: whether only adapters of the backbone are written.
        """
        raise NotImplementedError


class Classifier(SequenceClassifier):
    """A linear head over the pooled states."""

    def __init__(self, backbone: Any, variables: Sequence[int], pooling: str, dropout: float, samples: int = 1) -> None:
        """Put a fresh head on `backbone`; the default initialisation uses PyTorch's global seed.

        Args:
            backbone: a transformers or peft model.
            variables: (K,), which variable an output belongs to.
            pooling: see `pool`, or labels for a `LabelHead`.
            dropout: before the head.
            samples: S, masks of that dropout in training.
        """
        super().__init__()
        self.backbone, self.origin = backbone, "new"
        self.pooling, self.samples = pooling, samples
        self.dropout = nn.Dropout(dropout)
        hidden = backbone.config.hidden_size
        self.head = LabelHead(hidden, variables) if pooling == "labels" else nn.Linear(hidden, len(variables))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, case: Tensor, slot: Tensor) -> Tensor:
        """Element-wise maximum over a case's rows of the row logits.

        Args:
            input_ids: (R, L), padded on the right.
            attention_mask: (R, L), 1 for a token, 0 for padding.
            case: (R,), the case a row belongs to, 0 to B-1.
            slot: (R,), its place among the case's rows.

        Returns:
            (B, K); in training (B * S, K), the S of a case one after another. An empty narrative has no row and so no
            say.
        """
        states = families.states(self.backbone, input_ids, attention_mask)
        samples = self.samples if self.training else 1
        if isinstance(self.head, LabelHead):
            pooled = self.head.pool(states, attention_mask)
        else:
            pooled = pool(states, attention_mask, self.pooling)
        sampled = self.dropout(pooled.repeat_interleave(samples, dim=0))
        row_logits = self.head(sampled).unflatten(0, (-1, samples))
        shape = (int(case.max()) + 1, int(slot.max()) + 1, *row_logits.shape[1:])
        logits = row_logits.new_full(shape, -torch.inf)
        logits[case, slot] = row_logits
        case_logits: Tensor = logits.amax(dim=1).flatten(0, 1).float()
        return case_logits

    def parts(self) -> tuple[Named, Named]:
        """See `SequenceClassifier`."""
        return list(self.backbone.named_parameters()), list(self.head.named_parameters())

    def head_apart(self, adapter: bool) -> Named:
        """The linear head is always apart."""
        return list(self.head.named_parameters())


def pool(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One vector a row: the mean of its tokens, its first or its last. Shapes (R, L, H), (R, L) -> (R, H)."""
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1)
    last = mask.sum(dim=1) - 1 if pooling == "last" else torch.zeros_like(mask[:, 0])
    return states[torch.arange(len(states), device=states.device), last]
