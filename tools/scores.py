"""Print the scores of systems and variables beside those of a commit, in 80 columns: python tools/scores.py [REVISION].

It reads metrics/ensemble.json alone, which is released: out-of-fold, cross-fitted F1. `dvc metrics diff` compares all
metrics, in lines of any length.
"""

import argparse
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from abstractor.base.errors import UserError
from abstractor.base.script import run_script

METRICS = Path("metrics/ensemble.json")
NAMES = 44
"""Columns for a name; a longer one is cut."""


class ScoresError(UserError):
    """There are no scores yet, or none in the commit."""


def now() -> dict[str, Any]:
    """The scores of the working directory.

    Raises:
        ScoresError: the ensemble has not run.
    """
    if not METRICS.is_file():
        raise ScoresError(f"{METRICS} is missing; run `make repro`")
    return dict(json.loads(METRICS.read_text(encoding="utf-8")))


def then(revision: str) -> dict[str, Any]:
    """The scores that a commit holds.

    Raises:
        ScoresError: git knows no such commit, or it has no scores.
    """
    command = ["git", "show", f"{revision}:./{METRICS}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScoresError(f"expected {METRICS} in the commit {revision}, found none; name another: make scores REV=..")
    return dict(json.loads(done.stdout))


def lines(new: dict[str, Any], old: dict[str, Any], revision: str) -> Iterator[str]:
    """Both, first the systems from the best down, then the variables of the ensemble."""
    yield f"{'system: mean F1':{NAMES}} {'now':>9} {revision[:12]:>12} {'change':>9}"
    systems = [{name: score["f1"] for name, score in scores["systems"].items()} for scores in (new, old)]
    yield from _rows(*systems)
    low, high = new["interval"]["low"], new["interval"]["high"]
    yield f"{'95 % interval of the ensemble':{NAMES}} " + ("none" if low is None else f"{low:g} to {high:g}")
    yield "\nvariable: F1 of the ensemble; * not surely above the baseline's"
    marks = {name: "* " for name in new["no_gain"]}
    yield from _rows(
        *(
            {marks.get(name, "") + name: f1 for name, f1 in scores["f1"].items() if name != "mean"}
            for scores in (new, old)
        )
    )


def _rows(new: dict[str, float | None], old: dict[str, float | None]) -> Iterator[str]:
    for name, f1 in sorted(new.items(), key=lambda item: (-(item[1] or 0), item[0])):
        before = old.get(name)
        change = "" if f1 is None or before is None else f"{round(f1 - before, 5):+g}"
        texts = _text(f1), _text(before) if name in old else "-"
        yield f"{name[:NAMES]:{NAMES}} {texts[0]:>9} {texts[1]:>12} {change:>9}".rstrip()


def _text(f1: float | None) -> str:
    return "withheld" if f1 is None else f"{f1:g}"


def main() -> None:
    """Compare the working directory with a commit."""
    parser = argparse.ArgumentParser(description="Print scores beside those of a commit.")
    parser.add_argument("revision", metavar="REVISION", nargs="?", default="HEAD", help="default: HEAD")
    revision = parser.parse_args().revision
    print("\n".join(lines(now(), then(revision), revision)))


if __name__ == "__main__":
    run_script(main)
