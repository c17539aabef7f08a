"""What may be released: small counts are withheld, and with them scores that rest on few cases.

Metrics and plots lie in git and go further than the cases. A count of a few deaths, or a rate with such a count below
it, can point at one person. All that writes metrics goes by these rules, of which `smallest_count` is the parameter:

- a count from 1 to below it is withheld;
- the F1 of a binary variable is withheld unless so many of the scored cases have it and so many have not, that of a
  categorical one unless so many are coded;
- nothing is withheld alone where a total or a mean would give it away: the next smallest goes with it;
- bins of a reliability plot are joined until each holds so many hits and so many misses.

A withheld value is null under its usual key, and `suppressed` says how many there are, and below which count.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED

SmallestCount = Annotated[int, Field(ge=0)]
"""Of params.yaml; 0 withholds nothing."""


def scores(codebook: Codebook, labels: pd.DataFrame, table: Mapping[str, Any], smallest: int) -> dict[str, Any]:
    """A score table without what rests on too few cases; means over all variables stay.

    Args:
        codebook: gives the variables.
        labels: of exactly the scored cases, int16 codes, -1 where not coded.
        table: `cases`, `f1` (variable -> F1, `mean` -> their mean), and what else is computed over all variables.
        smallest: the smallest count to release.

    Returns:
        A copy with `suppressed`; no more than that where the cases are too few, or one variable is all there is.
    """
    thin = thin_variables(codebook, labels, smallest)
    if len(labels) < smallest or len(thin) == 1:
        return {"cases": None, "suppressed": _note(smallest, len(codebook.names) + 1)}
    released = {name: None if name in thin else value for name, value in table["f1"].items()}
    return {**table, "f1": released, "suppressed": _note(smallest, len(thin))}


def thin_variables(codebook: Codebook, labels: pd.DataFrame, smallest: int) -> set[str]:
    """The variables whose F1 is withheld; two at least or none, where there are two, or the mean would reveal it.

    Args:
        codebook: gives the variables.
        labels: of exactly the scored cases, int16 codes, -1 where not coded.
        smallest: the smallest count to release.
    """
    rests_on = {}
    for variable in codebook.variables:
        codes = labels[variable.name][labels[variable.name] != NOT_CODED]
        ones = int((codes == 1).sum())
        rests_on[variable.name] = min(ones, len(codes) - ones) if variable.kind == "binary" else len(codes)
    thin = {name for name, count in rests_on.items() if count < smallest}
    if len(thin) == 1:
        thin |= set(sorted(rests_on.keys() - thin, key=lambda name: (rests_on[name], name))[:1])
    return thin


def counts(rows: Mapping[str, Mapping[str, int]], smallest: int) -> dict[str, Any]:
    """A table of counts with its `total`; a row is released in whole or not at all.

    A row is withheld for any count or difference of two counts from 1 to below `smallest`; then more rows, the smallest
    first, until the withheld ones are two or more whose sums could be released; the total, where that cannot be had.

    Args:
        rows: name -> measure -> count, the same measures in every row.
        smallest: the smallest count to release.

    Returns:
        Name -> measure -> count or None, likewise `total`, and `suppressed`.
    """
    sizes = {name: sum(row.values()) for name, row in rows.items()}
    withheld = {name for name, row in rows.items() if not _releasable(row.values(), smallest)}
    others = sorted(
        (name for name in rows if sizes[name] and name not in withheld), key=lambda name: (sizes[name], name)
    )

    def enough() -> bool:
        return len(withheld) != 1 and _releasable(_sums(rows[name] for name in withheld).values(), smallest)

    while not enough() and others:
        withheld.add(others.pop(0))
    total = _sums(rows.values())
    kept_back = {*withheld, *(() if enough() and _releasable(total.values(), smallest) else ("total",))}
    table = {**rows, "total": total}
    released: dict[str, Any] = {
        name: dict.fromkeys(row) if name in kept_back else dict(row) for name, row in table.items()
    }
    return released | {"suppressed": _note(smallest, sum(len(table[name]) for name in kept_back))}


def share(count: int, of: int, smallest: int) -> float | None:
    """The share of cases that are counted; None where it tells how few they are, or how few they are not."""
    shown = counts({"counted": {"n": count}, "others": {"n": of - count}}, smallest)
    return None if shown["counted"]["n"] is None else round(count / of, 5)


def written(found: Mapping[str, Any], smallest: int) -> dict[str, Any]:
    """Counts of texts that a language model wrote: `asked`, of which some were `kept`, others `dropped` by reason."""
    released = counts({"kept": {"n": found["kept"]}} | {why: {"n": n} for why, n in found["dropped"].items()}, smallest)
    dropped = {why: released[why]["n"] for why in found["dropped"]}
    return {
        "asked": released["total"]["n"],
        "kept": released["kept"]["n"],
        "dropped": dropped,
        "suppressed": released["suppressed"],
    }


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


def _releasable(found: Iterable[int], smallest: int) -> bool:
    """Whether no count, and no difference of two, lies from 1 to below `smallest`."""
    steps = [high - low for low, high in pairwise(sorted({0, *found}))]
    return all(step >= smallest for step in steps)


def _sums(rows: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Measure -> its sum over the rows."""
    found: dict[str, int] = {}
    for row in rows:
        for measure, count in row.items():
            found[measure] = found.get(measure, 0) + count
    return found


def _note(smallest: int, values: int) -> dict[str, int]:
    return {"below": smallest, "values": values}
