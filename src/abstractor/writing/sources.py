"""Which three cases each made case is written from: no two cases are sources together twice in a fold.

The n cases of a fold, shuffled, are the numbers 0 to n - 1, and a triple is three different numbers whose sum is a
multiple of n. Two numbers fix the third, so no pair can stand in two triples, and nearly every pair stands in one.
Drawing triples at random and refusing used pairs finds fewer, and cannot say beforehand how many there are.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from math import gcd
from typing import NamedTuple

import numpy as np

from abstractor.base.messages import writing as messages


class Sources(NamedTuple):
    """Uids of the cases that one made case is written from, sorted."""

    source_1: str
    source_2: str
    source_3: str


def most_triples(cases: int) -> int:
    """How many triples a fold of n cases has: (n^2 - 3 n + 2 g) / 6, where g = gcd(3, n).

    Three numbers with a sum of 0 modulo n can be chosen in n^2 ways, since the first two fix the third. Two given
    ones are equal in n of the ways, for three such pairs, and all three in g of them, which are thereby taken off
    three times instead of once. The ways that are left hold every triple six times.
    """
    return (cases**2 - 3 * cases + 2 * gcd(3, cases)) // 6 if cases else 0


def share(fold: int, uids: Sequence[str], writers: Sequence[str], writer: str, cases: int, seed: int) -> list[Sources]:
    """The triples of one writer: its part of the plan that all writers of a fold share.

    Args:
        fold: for messages.
        uids: of the fold's cases that can be sources, in any order.
        writers: all that make cases, in the order of their parts; a writer added at the end changes no part before.
        writer: whose part it is.
        cases: triples a writer.
        seed: of the plan, the same for all writers.

    Raises:
        SourcesError: the writer does not stand among `writers`, or the fold has too few triples for all of them.
    """
    if list(writers).count(writer) != 1:
        raise messages.not_once(writer, writers)
    most = most_triples(len(uids))
    if cases * len(writers) > most:
        raise messages.too_few_triples(fold, len(uids), most, cases, len(writers))
    start = list(writers).index(writer) * cases
    return list(islice(_plan(sorted(uids), seed), start, start + cases))


def _plan(uids: Sequence[str], seed: int) -> Iterator[Sources]:
    """All triples of a fold in random order, round by round: a round uses every case four times at most.

    A round takes the pairs at one distance on the circle of numbers. A triple has three distances, so it may come up
    again in another round, where it is passed over.
    """
    rng, count = np.random.default_rng(seed), len(uids)
    names = [uids[place] for place in rng.permutation(count)]
    seen = set()
    for distance in 1 + rng.permutation(count // 2):
        for first in rng.permutation(count):
            second = (first + distance) % count
            triple = frozenset((int(first), int(second), int(-first - second) % count))
            if len(triple) == 3 and triple not in seen:
                seen.add(triple)
                yield Sources(*sorted(names[number] for number in triple))
