"""What may be released: nothing that tells a small count, nor what rests on one.

Metrics and plots lie in git and go further than the cases. A count of a few deaths, or a rate that is a fraction of
such a count, can point at one person. All that writes metrics goes by these rules, of which `smallest_count` is the
parameter (Hundepool et al. 2012, Statistical Disclosure Control, chapter 4):

- a count from 1 to below it is withheld, and others with it, until what is known of their sum leaves each one room;
- an F1 is withheld unless so many codes are right and so many wrong, and with a binary variable so many count for
  neither; two F1s at least or none, since their mean is told;
- a score has the decimals that what it rests on supports, not those that give back the fraction;
- bins of a reliability plot are joined until each holds so many hits and so many misses.

A withheld value is null under its usual key, and `suppressed` says how many there are, and below which count.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.scoring.scores import metrics

SmallestCount = Annotated[int, Field(ge=0)]
"""Of params.yaml; 0 withholds nothing."""


class Basis(NamedTuple):
    """What the F1 of a variable rests on."""

    judged: int
    """Cases that are right or wrong; true negatives of a binary variable are neither."""
    fewest: int
    """The least of those right, those wrong and, of a binary variable, true negatives."""


def scores(
    codebook: Codebook, labels: pd.DataFrame, decisions: pd.DataFrame, table: Mapping[str, Any], smallest: int
) -> dict[str, Any]:
    """A score table as it may be released; what is computed over all variables stays, rounded.

    Args:
        codebook: gives the variables.
        labels: of at least the scored cases, int16 codes, -1 where not coded.
        decisions: of exactly the scored cases, those whose `f1` stands in the table.
        table: `cases`, `f1` (variable -> F1, `mean` -> their mean), and what else is computed over all variables.
        smallest: the smallest count to release.

    Returns:
        A copy with `suppressed`; no more than that where the cases are too few, or one variable is all there is.
    """
    cases, variables = len(decisions), len(codebook.names)
    rests_on = bases(codebook, labels, decisions)
    thin = _thin(rests_on, smallest)
    if cases < smallest or len(thin) == 1:
        return {"cases": None, "suppressed": _note(smallest, variables + 1)}
    released: dict[str, Any] = metrics.rounded(dict(table), decimals(cases * variables, smallest))
    for name, (judged, _) in rests_on.items():
        released["f1"][name] = None if name in thin else metrics.rounded(table["f1"][name], decimals(judged, smallest))
    return released | {"suppressed": _note(smallest, len(thin))}


def bases(codebook: Codebook, labels: pd.DataFrame, decisions: pd.DataFrame) -> dict[str, Basis]:
    """Variable -> what its F1 on the cases of `decisions` rests on; arguments as in `scores`."""
    counted, found = metrics.counts(codebook, labels, decisions), {}
    coded = (labels.loc[decisions.index, list(codebook.names)] != NOT_CODED).sum()
    for column, variable in enumerate(codebook.variables):
        right, missed = int(counted.tp[:, column].sum()), int(counted.fn[:, column].sum())
        if variable.kind == "binary":
            wrong = missed + int(counted.fp[:, column].sum())
            found[variable.name] = Basis(right + wrong, min(right, wrong, int(coded[variable.name]) - right - wrong))
        else:
            found[variable.name] = Basis(right + missed, min(right, missed))
    return found


def decimals(count: int, smallest: int) -> int:
    """Decimals of a share of `count`: to the first digit of its standard error at one half, 1 / (2 sqrt(count)).

    1 up to 25, 2 up to 2,500, 3 up to 250,000; 5 where nothing is withheld.
    """
    return math.ceil(math.log10(2 * math.sqrt(max(count, 1)))) if smallest else metrics.DECIMALS


def secret(held: pd.DataFrame) -> bytes:
    """A key for `counts`, drawn from confidential cases or labels by uid; the seed of params.yaml is public."""
    return hashlib.sha256(pd.util.hash_pandas_object(held).to_numpy().tobytes()).digest()


def counts(rows: Mapping[str, Mapping[str, int]], smallest: int, key: bytes) -> dict[str, Any]:
    """A table of counts with its `total`; a row is released in whole or not at all.

    A row is withheld for any count or difference of two counts from 1 to below `smallest`. Then more rows are, in an
    order that only `key` tells, until what the total leaves for the withheld rows gives each of them room: it can lie
    anywhere in a range of more than `smallest` values. Where no order gives that, nothing of the table is released.

    Args:
        rows: name -> measure -> count, the same measures in every row, each a part of the next larger one.
        smallest: the smallest count to release.
        key: of `secret`. A choice by size, or by a public seed, would tell which row was too small.

    Returns:
        Name -> measure -> count or None, likewise `total`, and `suppressed`.
    """
    table = {**rows, "total": _sums(rows.values())}
    withheld = {name for name, row in rows.items() if not _steps(row.values(), smallest)}
    others = sorted(
        (name for name, row in rows.items() if any(row.values()) and name not in withheld),
        key=lambda name: hashlib.sha256(key + name.encode()).digest(),
    )

    def room() -> bool:
        # Each row has 1 at least, so that the largest it can be is the sum less 1 for each of the others.
        return _steps(_sums(rows[name] for name in withheld).values(), smallest + len(withheld))

    while withheld and others and not room():
        withheld.add(others.pop())
    if withheld and not room():
        withheld = {*table}
    released: dict[str, Any] = {
        name: dict.fromkeys(row) if name in withheld else dict(row) for name, row in table.items()
    }
    return released | {"suppressed": _note(smallest, sum(len(table[name]) for name in withheld))}


def share(count: int, of: int, smallest: int) -> float | None:
    """The share of cases that are counted; None where it tells how few they are, or how few they are not."""
    told = _steps((count, of), smallest)
    return metrics.rounded(count / of, decimals(of, smallest)) if told else None


def written(found: Mapping[str, Any], smallest: int, key: bytes) -> dict[str, Any]:
    """Counts of texts that a language model wrote: `asked`, of which some were `kept`, others `dropped` by reason."""
    rows = {"kept": {"n": found["kept"]}} | {why: {"n": n} for why, n in found["dropped"].items()}
    released = counts(rows, smallest, key)
    return {
        "asked": released["total"]["n"],
        "kept": released["kept"]["n"],
        "dropped": {why: released[why]["n"] for why in found["dropped"]},
        "suppressed": released["suppressed"],
    }


def shown(value: int | None) -> str:
    """A released count for the terminal, which says no more than the file."""
    return "(withheld)" if value is None else str(value)


def joined(hits: np.ndarray, misses: np.ndarray, smallest: int) -> np.ndarray:
    """Joins neighbouring bins until each holds enough hits and enough misses; what is left over joins the bin before.

    Args:
        hits: (bins,) counts, in the order of the bins.
        misses: (bins,) likewise.
        smallest: enough.

    Returns:
        (bins,) the joined bin of each, from 0; -1 in all where even together they have too few.
    """
    number, hit, missed, found = 0, 0, 0, []
    for more_hits, more_misses in zip(hits, misses, strict=True):
        found.append(number)
        hit, missed = hit + more_hits, missed + more_misses
        if min(hit, missed) >= smallest:
            number, hit, missed = number + 1, 0, 0
    return np.minimum(np.array(found, dtype=np.int64), number - 1)


def _thin(rests_on: Mapping[str, Basis], smallest: int) -> set[str]:
    """The variables whose F1 is withheld; two at least or none, where there are two, or the mean would reveal it."""
    thin = {name for name, basis in rests_on.items() if basis.fewest < smallest}
    if len(thin) == 1:
        thin |= set(sorted(rests_on.keys() - thin, key=lambda name: (rests_on[name].fewest, name))[:1])
    return thin


def _steps(found: Iterable[int], least: int) -> bool:
    """Whether every count that is not 0, and every difference of two, is `least` or more."""
    return all(high - low >= least for low, high in pairwise(sorted({0, *found})))


def _sums(rows: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Measure -> its sum over the rows."""
    found: dict[str, int] = {}
    for row in rows:
        for measure, count in row.items():
            found[measure] = found.get(measure, 0) + count
    return found


def _note(smallest: int, values: int) -> dict[str, int]:
    return {"below": smallest, "values": values}
