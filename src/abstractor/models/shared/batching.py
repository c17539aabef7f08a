"""Which rows go through a model together: near-equal lengths, under a budget."""

from collections.abc import Sequence

MASK_TOKENS = 2048
"""A row of this many tokens pays as much for its attention mask as for its matrix products."""


def cost(length: int) -> float:
    """Cost of a row in tokens: its length, plus its mask area (length^2) counted in the same coin."""
    return length * (1 + length / MASK_TOKENS)


def padded(length: int) -> int:
    """What a row to predict is padded to, whatever its neighbours: a multiple of 8, from 64 on at most an eighth more.

    Rounding depends on the shape of a batch. Where that follows from the case alone, so do its probabilities.
    """
    step = 1 << max(3, length.bit_length() - 4)
    return -(-length // step) * step


def alignment(device: str) -> int:
    """What row lengths are rounded up to: CUDA's attention kernels want key lengths in steps of 8."""
    return 8 if device == "cuda" else 1


def by_budget(lengths: Sequence[int], budget: float) -> list[list[int]]:
    """Group rows, longest first, so that a group padded to its longest row costs at most `budget` tokens.

    Longest first: a group that does not fit in memory shows at once, not after an hour.
    A row that is dearer than the budget stands alone.

    Returns:
        Lists of row numbers; every row once.
    """
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        group = groups[-1] if groups else []
        if group and (len(group) + 1) * cost(lengths[group[0]]) <= budget:
            group.append(row)
        else:
            groups.append([row])
    return groups
