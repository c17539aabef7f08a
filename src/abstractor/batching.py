"""Which rows go through a model together: near-equal lengths, under a budget."""

from collections.abc import Iterator, Sequence

import numpy as np

MASK_TOKENS = 2048
"""A row of this many tokens pays as much for its attention mask as for its matrix products."""


def cost(length: int) -> float:
    """Cost of a row in tokens: its length, plus its mask area (length^2) counted in the same coin."""
    return length * (1 + length / MASK_TOKENS)


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


class Steps:
    """The optimiser steps of each epoch: `batch_size` cases a step, of near-equal length, in random order.

    The cases are shuffled, cut into pools of `pool` steps, sorted by length inside a pool and cut into steps,
    which are shuffled again. A pool of 1 makes purely random steps. Iterating gives the next epoch.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, pool: int, seed: int) -> None:
        """See the class; `seed` alone decides the order of every epoch."""
        self.lengths = np.asarray(lengths)
        self.batch_size, self.pool, self.seed = batch_size, pool, seed
        self.epoch = 0

    def __len__(self) -> int:
        """Steps in an epoch."""
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Lists of case numbers, one a step."""
        generator = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = generator.permutation(len(self.lengths))
        size = self.batch_size * self.pool
        pools = [order[start : start + size] for start in range(0, len(order), size)]
        sorted_order = np.concatenate([pool[np.argsort(-self.lengths[pool], kind="stable")] for pool in pools])
        cuts = np.arange(self.batch_size, len(order), self.batch_size)
        steps = np.split(sorted_order, cuts)
        yield from (steps[number].tolist() for number in generator.permutation(len(steps)))
