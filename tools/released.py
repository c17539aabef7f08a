"""What a metrics file tells whoever knows the rules on small counts; tools/guard.py asks before each commit."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Set
from typing import Any

from abstractor.base.yaml_file import parse_yaml
from abstractor.scoring.scores.small_counts import decimals

ENSEMBLE, F1_PLOT, PARAMS = "metrics/ensemble.json", "metrics/plots/f1.csv", "params.yaml"
READS = ("metrics", PARAMS)
"""Of a commit."""


def problems(
    index: Mapping[str, bytes], last: Mapping[str, bytes], categorical: Mapping[str, Set[str]]
) -> Iterator[tuple[str, str | None]]:
    """The path of each metrics file, and why it may not be committed; None where it may.

    Args:
        index: path -> content of every file of the next commit.
        last: path -> content in the last commit, of those `READS` that differ there.
        categorical: corpus -> its variables of that kind; others are binary.
    """
    try:
        params = _params(index)
        known = _params(last).get("corpus", params.get("corpus"))
    except ValueError as error:
        yield PARAMS, str(error)
        return
    corpus, smallest = str(params.get("corpus")), params.get("smallest_count", 0)
    for path in index if smallest else ():
        # Cases of another corpus are other cases, however many there are.
        before = last if str(known) == corpus else {}
        try:
            of_kind = categorical.get(corpus, frozenset())
            yield path, problem(_parsed(path, index), _parsed(path, before), of_kind, smallest)
        except (AttributeError, KeyError, TypeError, ValueError):
            yield path, "not written by a stage: it cannot be read"


def problem(content: Any, before: Any, categorical: Set[str], smallest: int) -> str | None:
    """Why a metrics file may not be committed; None where it may.

    Args:
        content: of the file, parsed.
        before: of its last commit, if that scored the same corpus; {} otherwise.
        categorical: the variables of that kind; others are binary.
        smallest: the smallest count to release.
    """
    for table in tables(content):
        if found := tells(table, categorical, smallest):
            return found
    if "suppressed" in content and any(
        0 < count < smallest for key, value in content.items() if key != "suppressed" for count in counts(value)
    ):
        return f"a count below {smallest}"
    now, then = cases(content), cases(before)
    if any(0 < abs(now[place] - then[place]) < smallest for place in now.keys() & then.keys()):
        return f"scores of 1 to {smallest - 1} cases more or fewer than in the last commit, which would tell of these"
    return None


def tables(content: Any) -> Iterator[Mapping[str, Any]]:
    """Every score table in nested metrics: what has `cases` and `f1` by variable."""
    if isinstance(content, Mapping):
        if isinstance(content.get("f1"), Mapping) and content.get("cases"):
            yield content
        for value in content.values():
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
    """Every count in nested metrics."""
    return (value for value in _leaves(content) if isinstance(value, int))


def _parsed(path: str, files: Mapping[str, bytes]) -> Any:
    """What a metrics file holds, the plot of F1s as a score table a system; nothing of any other file."""
    text = files.get(path, b"").decode("utf-8", errors="replace")
    if path == F1_PLOT:
        found: dict[str, Any] = {}
        scored = json.loads(files.get(ENSEMBLE, b"{}"))
        for row in csv.DictReader(text.splitlines()):
            table = found.setdefault(row["system"], {"cases": scored["cases"], "f1": {}})
            table["f1"][row["variable"]] = float(row["f1"])
        return found
    return json.loads(text or "{}") if path.startswith("metrics/") and path.endswith(".json") else {}


def _leaves(content: Any) -> Iterator[Any]:
    if isinstance(content, Mapping):
        for value in content.values():
            yield from _leaves(value)
    else:
        yield content


def _params(files: Mapping[str, bytes]) -> Mapping[str, Any]:
    content = parse_yaml(files.get(PARAMS, b"").decode("utf-8", errors="replace"), PARAMS)
    return content if isinstance(content, Mapping) else {}
