"""What a metrics file tells whoever knows the rules on small counts; tools/guard.py asks before each commit."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from abstractor.base.yaml_file import parse_yaml
from abstractor.scoring.scores.small_counts import decimals

ENSEMBLE, F1_PLOT, PARAMS = "metrics/ensemble.json", "metrics/plots/f1.csv", "params.yaml"
BINS = "metrics/plots/reliability.csv"
OF_NO_CASES = ("metrics/reliability.json", "metrics/cards/")
"""Counts of tests, steps and seconds."""
READS = ("metrics", PARAMS)
"""Of a commit."""


def problems(
    index: Mapping[str, bytes], earlier: Sequence[Mapping[str, bytes]], categorical: Mapping[str, Set[str]]
) -> Iterator[tuple[str, str | None]]:
    """The path of each metrics file, and why it may not be committed; None where it may.

    Args:
        index: path -> content of every file of the next commit.
        earlier: of commits before it, path -> content of `READS`; parameters that are not there are the index's.
        categorical: corpus -> its variables of that kind; others are binary.
    """
    if not any(path.startswith(READS) for path in index):
        return
    try:
        params = _params(index)
        known = [_params(commit).get("corpus", params.get("corpus")) for commit in earlier]
    except ValueError as error:
        yield PARAMS, str(error)
        return
    corpus, smallest = params.get("corpus"), params.get("smallest_count")
    if not isinstance(corpus, str):
        yield PARAMS, "corpus: expected a name; without it nothing says which earlier scores are of the same cases"
        return
    if not isinstance(smallest, int) or isinstance(smallest, bool) or smallest < 0:
        yield PARAMS, "smallest_count: expected a whole number from 0; without it nothing says what may be released"
        return
    # Cases of another corpus are other cases, however many there are.
    before = [commit for commit, name in zip(earlier, known, strict=True) if name == corpus]
    for path in index if smallest else ():
        try:
            if path == BINS:
                yield path, bins(_rows(index[path]), smallest)
            elif path == F1_PLOT or (path.startswith("metrics/") and path.endswith(".json")):
                then = [json.loads(commit[path]) for commit in before if path in commit and path != F1_PLOT]
                content, of_kind = _parsed(path, index), categorical.get(corpus, frozenset())
                yield path, problem(content, then, of_kind, 0 if path.startswith(OF_NO_CASES) else smallest)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, RecursionError, csv.Error):
            yield path, "not written by a stage: it cannot be read"


def problem(content: Any, earlier: Sequence[Any], categorical: Set[str], smallest: int) -> str | None:
    """Why a metrics file may not be committed; None where it may.

    Args:
        content: of the file, parsed.
        earlier: what it held in commits before that scored the same corpus, parsed.
        categorical: the variables of that kind; others are binary.
        smallest: the smallest count to release.
    """
    for table in tables(content):
        if found := tells(table, categorical, smallest):
            return found
    if any(0 < count < smallest for count in counts(content)):
        return f"a count below {smallest}"
    now = cases(content)
    for then in map(cases, earlier):
        if any(0 < abs(now[place] - then[place]) < smallest for place in now.keys() & then.keys()):
            return f"scores of 1 to {smallest - 1} cases more or fewer than committed before, which would tell of these"
    return None


def bins(rows: Sequence[Mapping[str, str]], smallest: int) -> str | None:
    """Why the reliability plot may not be committed; None where each bin has so many hits and so many misses."""
    for row in rows:
        count, observed = int(row["count"]), float(row["observed"])
        off = 0.5 * 10 ** -decimals(count, smallest)
        if not smallest <= count * (observed + off) or not smallest <= count * (1 - observed + off):
            return f"a bin of fewer than {smallest} hits or misses"
    return None


def tables(content: Any) -> Iterator[Mapping[str, Any]]:
    """Every score table in nested metrics: what has `cases` and `f1` by variable."""
    if isinstance(content, Mapping) and isinstance(content.get("f1"), Mapping) and content.get("cases"):
        yield content
    for value in _parts(content):
        yield from tables(value)


def tells(table: Mapping[str, Any], categorical: Set[str], smallest: int) -> str | None:
    """What a score table tells of fewer than `smallest` cases; None where nothing."""
    count, of_each = table["cases"], {name: value for name, value in table["f1"].items() if name != "mean"}
    told = {name: value for name, value in of_each.items() if value is not None}
    overall = {key: value for key, value in table.items() if key != "f1"} | {"mean": table["f1"].get("mean")}
    most = decimals(count * len(of_each), smallest)
    if any(round(value, most) != value for value in scores(overall)):
        return f"a score over all variables with more than {most} decimals, which {count} cases do not support"
    for name, value in told.items():
        if not any(round(value, places) == value for places in range(1, decimals(count, smallest) + 1)):
            return f"an F1 with more decimals than {count} cases support"
        if not possible(value, count, name in categorical, smallest):
            return f"an F1 that can only be a fraction of a count below {smallest}"
    if len(told) == len(of_each) - 1:
        return "an F1 withheld alone, which the mean gives away"
    return None


def possible(value: float, cases: int, categorical: bool, smallest: int) -> bool:
    """Whether counts of `smallest` or more can have this F1 after rounding.

    Tries all numbers of right codes, and for each the numbers of wrong ones that give the value. F1 is
    2 right / (2 right + wrong) of a binary variable, right / (right + wrong) of a categorical one.
    """
    weight, neither = (1, 0) if categorical else (2, smallest)
    for places in range(1, decimals(cases, smallest) + 1):
        if round(value, places) != value:
            continue
        low, high = value - 0.5 * 10**-places, value + 0.5 * 10**-places
        for right in range(smallest, cases - neither + 1):
            fewest = max(smallest, math.ceil(weight * right * (1 / high - 1) - 1e-9))
            most = cases - neither - right
            if low > 0:
                most = min(most, math.floor(weight * right * (1 / low - 1) + 1e-9))
            if fewest <= most and decimals(right + fewest, smallest) <= places <= decimals(right + most, smallest):
                return True
    return False


def cases(content: Any) -> dict[str, int]:
    """How many cases the scores of a metrics file are of: under the name of each model, or "" of the file's one table.

    Folds of one model are added up: they are drawn anew when a case comes or goes.
    """
    if not isinstance(content, Mapping):
        return {}
    if "cases" in content:
        return {"": content["cases"]} if content["cases"] else {}
    found: dict[str, int] = {}
    for name, folds in content.items():
        if isinstance(folds, Mapping):
            of_folds = [table.get("cases") for table in folds.values() if isinstance(table, Mapping)]
            if of_folds and all(of_folds):
                found[name] = sum(filter(None, of_folds))
    return found


def scores(content: Any) -> Iterator[float]:
    """Every score in nested metrics."""
    return (value for value in _leaves(content) if isinstance(value, float))


def counts(content: Any) -> Iterator[int]:
    """Every count in nested metrics, but for how many are withheld."""
    return (value for value in _leaves(content) if isinstance(value, int) and not isinstance(value, bool))


def _parsed(path: str, files: Mapping[str, bytes]) -> Any:
    """What a metrics file holds, the plot of F1s as a score table a system."""
    if path != F1_PLOT:
        return json.loads(files[path])
    found: dict[str, Any] = {}
    scored = json.loads(files[ENSEMBLE])
    for row in _rows(files[path]):
        table = found.setdefault(row["system"], {"cases": scored["cases"], "f1": {}})
        table["f1"][row["variable"]] = float(row["f1"])
    return found


def _rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode("utf-8").splitlines()))


def _parts(content: Any) -> Iterable[Any]:
    if isinstance(content, Mapping):
        return [value for key, value in content.items() if key != "suppressed"]
    return content if isinstance(content, list) else ()


def _leaves(content: Any) -> Iterator[Any]:
    if isinstance(content, Mapping | list):
        for value in _parts(content):
            yield from _leaves(value)
    else:
        yield content


def _params(files: Mapping[str, bytes]) -> Mapping[str, Any]:
    content = parse_yaml(files.get(PARAMS, b"").decode("utf-8", errors="replace"), PARAMS)
    return content if isinstance(content, Mapping) else {}
