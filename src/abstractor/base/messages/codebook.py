"""Of a codebook file: which rule it breaks, and where. No text quotes a definition, a label or a description."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from abstractor.base.errors import UserError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

_MOST = 10
"""Problems that a message lists; who mends ten sees the next ten."""


class CodebookError(UserError):
    """A codebook file breaks the rules of its format."""


def missing(path: Path) -> CodebookError:
    return CodebookError(f"{path} is missing; `make corpus NAME=.. FROM=..` lays down a corpus and its codebook")


def unreadable(path: Path, error: OSError) -> CodebookError:
    return CodebookError(f"{path} cannot be read ({type(error).__name__})")


def no_yaml(problem: ValueError) -> CodebookError:
    return CodebookError(f"{problem}; expected a codebook like data/codebooks/nvdrs_youth.yaml")


def repeated_name(path: Path, name: str, count: int) -> CodebookError:
    return CodebookError(f"{path}: the name {name} stands {count} times; names must differ")


def reserved_name(path: Path, name: str) -> CodebookError:
    return CodebookError(f"{path}: the name {name} is reserved; choose another")


def other_binary_codes(path: Path, name: str) -> CodebookError:
    return CodebookError(f"{path}: variable {name}: a binary has the codes 0 and 1, in this order")


def no_values(path: Path, name: str) -> CodebookError:
    return CodebookError(f"{path}: variable {name}: values must be a mapping")


def broken_rules(
    path: Path, content: Any, problems: Sequence[ErrorDetails], keys: Sequence[str], keys_of_variable: Sequence[str]
) -> CodebookError:
    """Of what pydantic found, the first ten.

    Args:
        path: of the file.
        content: of the file.
        problems: the rules that it breaks.
        keys: that a codebook has.
        keys_of_variable: that one of its variables has.
    """

    def line(problem: ErrorDetails) -> str:
        place = problem["loc"]
        if len(place) < 2 or place[0] != "variables":
            return _rule(content, place, problem, keys)
        entry = content["variables"][place[1]]
        return f"variable {_named(entry, place[1])}: {_rule(entry, place[2:], problem, keys_of_variable)}"

    return CodebookError("\n".join(f"{path}: {line(problem)}" for problem in problems[:_MOST]))


def _named(entry: Any, number: int | str) -> str | int:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else int(number) + 1


def _rule(content: Any, place: Sequence[int | str], problem: ErrorDetails, keys: Sequence[str]) -> str:
    if not place:
        return f"expected `key: value` lines, found {type(problem['input']).__name__}"
    match place[0], problem["type"]:
        case field, "extra_forbidden" if isinstance(field, str) and _NAME.fullmatch(field):
            return f"unknown key {field}; expected {', '.join(keys)}"
        case field, "extra_forbidden" | "invalid_key" as kind:
            key = problem["input"] if kind == "invalid_key" else field
            return f"unknown key number {[*content].index(key) + 1}; expected {', '.join(keys)}"
        case "kind", "literal_error":
            return "unknown kind; expected binary or categorical"
        case "name", "string_pattern_mismatch":
            return "a name is letters, digits and _, starting with a letter"
        case "share", _:
            return "share must lie between 0 and 1"
        case "variables", _:
            return "expected a list of variables, found none"
        case "narratives", _:
            return _rule_of_narratives(place[1:], problem)
        case "values", _:
            return _rule_of_values(place[1:], problem)
    return f"{place[0]} must be a text"


def _rule_of_narratives(place: Sequence[int | str], problem: ErrorDetails) -> str:
    if problem["type"] == "too_long":
        return f"expected one or two narratives, found {len(problem['input'])}"
    if not place:
        return "narratives must be a mapping"
    if place[-1] == "[key]" or not _NAME.fullmatch(str(place[0])):
        return "every narrative column needs a plain name"
    return f"narrative {place[0]} needs a description"


def _rule_of_values(place: Sequence[int | str], problem: ErrorDetails) -> str:
    if problem["type"] == "too_long":
        most = problem["ctx"]["max_length"]
        return f"{len(problem['input'])} codes; at most {most}, since each is asked as a letter"
    if problem["type"] == "too_short" and problem["input"]:
        return "only one value; a variable needs two or more"
    if not place:
        return "values must be a mapping"
    if place[-1] == "[key]" or not isinstance(place[0], int):
        return "codes are whole numbers from 0 to 999"
    return f"code {place[0]} needs a label (quote numbers, true, false and null)"
