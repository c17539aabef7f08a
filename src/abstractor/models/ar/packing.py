"""Batches: the questions of a case in one row behind its shared prefix, or one row a question.

Shapes: B cases, Q questions, R rows (packed: R = B; separate: R = B * Q), L tokens of the longest row,
K answers a row (packed: K = Q; separate: K = 1).

A packed row is `prefix | padding | suffix 1 | ... | suffix Q`, so that each suffix lies at the same place in every row.
It sees the prefix and itself only, and its positions start where the row's own prefix ends: for the model it is a
prompt of its own, at a fraction of the cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

import torch
from torch import Tensor

PADDING = -1
PREFIX = 0


@dataclass(frozen=True)
class Batch:
    """The tensors of some cases, ready for a model."""

    input_ids: Tensor
    """(R, L) int64."""
    position_ids: Tensor
    """(R, L) int64; padding stands at 0."""
    segments: Tensor
    """(R, L) int64: `PREFIX`, 1 to Q for the suffixes, `PADDING`."""
    answers: Tensor
    """(R, K) int64, where in its row each prompt ends: the logits there are over the answer."""
    packed: bool
    """Whether a row holds several prompts."""
    cases: int
    """B."""
    span: int
    """Positions of the longest prompt: what a sliding window is compared with."""
    prefix_lengths: tuple[int, ...] = ()
    """Packed: tokens of each row's prefix."""
    suffix_lengths: tuple[int, ...] = ()
    """Packed: tokens of each suffix; the last one ends at L."""

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("input_ids", "position_ids", "segments", "answers")}
        return replace(self, **moved)


def pack(
    prefixes: Sequence[Sequence[int]], suffixes: Sequence[Sequence[int]], pad: int = 0, multiple: int = 1
) -> Batch:
    """One row a case.

    Args:
        prefixes: B lists of ids.
        suffixes: Q lists of ids, none empty, the same for all cases.
        pad: id of the padding; never attended to.
        multiple: L is rounded up to it (8 on CUDA, whose kernels want aligned keys).
    """
    lengths = [len(suffix) for suffix in suffixes]
    longest = max(map(len, prefixes))
    length = _round_up(longest + sum(lengths), multiple)
    room = length - sum(lengths)
    asked = list(chain.from_iterable(suffixes))
    owners = [number for number, count in enumerate(lengths, 1) for _ in range(count)]
    steps = torch.tensor([step for count in lengths for step in range(count)])
    starts = torch.tensor([len(prefix) for prefix in prefixes])
    return Batch(
        input_ids=_behind(_padded(prefixes, room, pad), torch.tensor(asked)),
        position_ids=_behind(_padded([range(len(prefix)) for prefix in prefixes], room, 0), starts[:, None] + steps),
        segments=_behind(_padded([[PREFIX] * len(prefix) for prefix in prefixes], room, PADDING), torch.tensor(owners)),
        answers=torch.tensor([room + end - 1 for end in accumulate(lengths)]).repeat(len(prefixes), 1),
        packed=True,
        cases=len(prefixes),
        span=longest + max(lengths),
        prefix_lengths=tuple(map(len, prefixes)),
        suffix_lengths=tuple(lengths),
    )


def separate(
    prefixes: Sequence[Sequence[int]], suffixes: Sequence[Sequence[int]], pad: int = 0, multiple: int = 1
) -> Batch:
    """One row a case and question, case by case, padded on the right; arguments as for `pack`."""
    rows = [[*prefix, *suffix] for prefix in prefixes for suffix in suffixes]
    length = _round_up(max(map(len, rows)), multiple)
    return Batch(
        input_ids=_padded(rows, length, pad),
        position_ids=_padded([range(len(row)) for row in rows], length, 0),
        segments=_padded([[PREFIX] * len(row) for row in rows], length, PADDING),
        answers=torch.tensor([[len(row) - 1] for row in rows]),
        packed=False,
        cases=len(prefixes),
        span=max(map(len, rows)),
    )


def packed_mask(segments: Tensor, position_ids: Tensor, window: int | None = None) -> Tensor:
    """Which token sees which: earlier ones of the prefix and of its own suffix.

    Args:
        segments: (R, L) as in `Batch`.
        position_ids: (R, L) as in `Batch`.
        window: a sliding window: only tokens less than `window` positions back, counted within the prompt.

    Returns:
        (R, 1, L, L) bool, True = row token sees column token. Padding sees itself only: a row that sees nothing is NaN.
    """
    queries, keys = segments[:, :, None], segments[:, None, :]
    length = segments.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    seen = earlier & ((keys == PREFIX) | (keys == queries)) & (queries != PADDING)
    if window is not None:
        seen &= position_ids[:, :, None] - position_ids[:, None, :] < window
    return (seen | torch.eye(length, dtype=torch.bool, device=segments.device))[:, None]


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask as numbers to add to attention scores: 0, or the lowest number of `dtype`."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _behind(prefixes: Tensor, suffixes: Tensor) -> Tensor:
    return torch.cat([prefixes, suffixes.expand(len(prefixes), -1)], dim=1)


def _padded(rows: Sequence[Sequence[int]], length: int, value: int) -> Tensor:
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])
