"""Optimiser steps: which cases a step learns from, near-equal lengths together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Extra(NamedTuple):
    """Cases that an epoch takes a share of, beside all others."""

    cases: Sequence[int] = ()
    """Their numbers."""
    ratio: float = 0.0
    """How many an epoch takes for each of the others; never more than there are."""
    epochs: int | None = None
    """In the first epochs only; None: in all."""

    def taken(self, epoch: int, others: int) -> int:
        """How many an epoch, from 0, takes beside the others."""
        if self.epochs is not None and epoch >= self.epochs:
            return 0
        return min(len(self.cases), round(self.ratio * others))


def epoch_sizes(others: int, extra: Extra, batch_size: int, epochs: int, least_steps: int = 0) -> list[int]:
    """Cases of each epoch of a training.

    Args:
        others: cases that are not extra, at least one.
        extra: cases that are.
        batch_size: cases a step.
        epochs: passes over the others at least.
        least_steps: steps at least: passes are added until there are so many.
    """
    sizes: list[int] = []
    steps = 0
    while len(sizes) < epochs or steps < least_steps:
        sizes.append(others + extra.taken(len(sizes), others))
        steps += -(-sizes[-1] // batch_size)
    return sizes


class Steps:
    """The optimiser steps of a whole training: `batch_size` cases a step, of near-equal length, in random order.

    In each epoch, its cases are shuffled, cut into pools of `pool` steps, sorted by length inside a pool and cut into
    steps, which are shuffled again. A pool of 1 makes purely random steps.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        pool: int,
        seed: int,
        epochs: int = 1,
        extra: Extra | None = None,
        least_steps: int = 0,
    ) -> None:
        """See the class.

        Args:
            lengths: of every case, extra ones included.
            batch_size: cases a step.
            pool: steps sorted by length together.
            seed: decides the order of every epoch, and which extra cases it takes.
            epochs: passes over the cases that are not extra, at least.
            extra: cases that are; None: there are none.
            least_steps: see `epoch_sizes`.
        """
        self.lengths = np.asarray(lengths)
        self.batch_size, self.pool, self.seed = batch_size, pool, seed
        self.extra = extra or Extra()
        self.always = np.setdiff1d(np.arange(len(self.lengths)), np.asarray(self.extra.cases, dtype=np.int64))
        sizes = epoch_sizes(len(self.always), self.extra, batch_size, epochs, least_steps)
        self.ends = np.cumsum([-(-size // batch_size) for size in sizes]).tolist()
        """Steps done at the end of each epoch."""

    def __len__(self) -> int:
        """Steps of all epochs."""
        return int(self.ends[-1])

    def __iter__(self) -> Iterator[list[int]]:
        """Lists of case numbers, one a step, epoch after epoch."""
        for epoch in range(len(self.ends)):
            yield from self._epoch(epoch)

    def _epoch(self, epoch: int) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, epoch])
        cases = self.always
        if taken := self.extra.taken(epoch, len(self.always)):
            cases = np.concatenate([cases, generator.permutation(self.extra.cases)[:taken]])
        order = generator.permutation(cases)
        size = self.batch_size * self.pool
        pools = [order[start : start + size] for start in range(0, len(order), size)]
        sorted_order = np.concatenate([pool[np.argsort(-self.lengths[pool], kind="stable")] for pool in pools])
        cuts = np.arange(self.batch_size, len(order), self.batch_size)
        steps = np.split(sorted_order, cuts)
        yield from (steps[number].tolist() for number in generator.permutation(len(steps)))
