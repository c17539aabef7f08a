"""Random choices of one case, from a seed of its own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_BLOCK = 256


class Dice:
    """Random choices fed from blocks of uniform numbers: a single draw from NumPy costs far more than a list item."""

    def __init__(self, *key: int) -> None:
        """Start the stream that belongs to `key`, for example (seed, part, case); streams are independent."""
        self._generator = np.random.default_rng(key)
        self._numbers: list[float] = []

    def roll(self) -> float:
        """A number from 0 to below 1."""
        if not self._numbers:
            self._numbers = self._generator.random(_BLOCK).tolist()
        return self._numbers.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.roll() < probability

    def choice(self, items: Sequence[T]) -> T:
        """One item, each as likely."""
        return items[int(self.roll() * len(items))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One key, in proportion to its weight."""
        rest = self.roll() * sum(weights.values())
        for key, weight in weights.items():
            rest -= weight
            if rest < 0:
                return key
        return list(weights)[-1]  # the sum of floats may round up past the last weight

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """The items in a random order."""
        return sorted(items, key=lambda _: self.roll())
