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


class Steps:
    """The optimiser steps of a whole training: `batch_size` cases a step, of near-equal length, in random order.

    In each epoch, its cases are shuffled, cut into pools of `pool` steps, sorted by length inside a pool and cut into
    steps, which are shuffled again. A pool of 1 makes purely random steps.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, pool: int, seed: int, epochs: int = 1, extra: Extra | None = None
    ) -> None:
        """See the class.

        Args:
            lengths: of every case, extra ones included.
            batch_size: cases a step.
            pool: steps sorted by length together.
            seed: decides the order of every epoch, and which extra cases it takes.
            epochs: passes over the cases that are not extra.
            extra: cases that are; None: there are none.
        """
        self.lengths = np.asarray(lengths)
        self.batch_size, self.pool, self.seed = batch_size, pool, seed
        self.extra = extra or Extra()
        self.always = np.setdiff1d(np.arange(len(self.lengths)), np.asarray(self.extra.cases, dtype=np.int64))
        sizes = [len(self.always) + self._taken(epoch) for epoch in range(epochs)]
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
        if taken := self._taken(epoch):
            cases = np.concatenate([cases, generator.permutation(self.extra.cases)[:taken]])
        order = generator.permutation(cases)
        size = self.batch_size * self.pool
        pools = [order[start : start + size] for start in range(0, len(order), size)]
        sorted_order = np.concatenate([pool[np.argsort(-self.lengths[pool], kind="stable")] for pool in pools])
        cuts = np.arange(self.batch_size, len(order), self.batch_size)
        steps = np.split(sorted_order, cuts)
        yield from (steps[number].tolist() for number in generator.permutation(len(steps)))

    def _taken(self, epoch: int) -> int:
        if self.extra.epochs is not None and epoch >= self.extra.epochs:
            return 0
        return min(len(self.extra.cases), round(self.extra.ratio * len(self.always)))
