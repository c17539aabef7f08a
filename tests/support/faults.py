"""The rows of docs/start/faults.md, which tests of faults hold to what is printed."""

import re
from typing import NamedTuple, Protocol

from support import ROOT

TABLE = ROOT / "docs/start/faults.md"


class Row(NamedTuple):
    """One row."""

    fault: str
    quoted: list[str]
    """What the user sees, word for word."""
    alternatives: bool
    """Whether one of them suffices."""
    tests: str


class Heard(Protocol):
    """Asserts that a text has the words that a row of docs/start/faults.md quotes."""

    def __call__(self, printed: str, fault: str = "") -> None:
        """Of the rows that name the running test, the one that has the words `fault` in its first column."""


def cells() -> list[list[str]]:
    """The cells of all rows."""
    return [line.split(" | ") for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]


def rows() -> list[Row]:
    """All rows."""
    return [Row(row[0], re.findall(r"`([^`]+)`", row[1]), "`, or `" in row[1], row[3]) for row in cells()]


def check(test: str, printed: str, fault: str) -> None:
    """See `Heard`; `test` is the running one's name."""
    found = [row for row in rows() if f"{test}`" in row.tests and fault in row.fault]
    assert len(found) == 1 and found[0].quoted, f"{fault}: {len(found)} rows"
    enough = any if found[0].alternatives else all
    assert enough(words in printed for words in found[0].quoted), printed
