"""The codebook: variables, kinds, codes and the column layout of a prediction. The only list of variables."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from abstractor.base.errors import UserError
from abstractor.base.yaml_file import read_yaml

MAX_CODES = 26
"""A language model answers a categorical question with one letter."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = ("uid", "fold", "model", "system", "mean")


class CodebookError(UserError):
    """A codebook file breaks the rules of its format."""


@dataclass(frozen=True)
class Variable:
    """One variable to code: binary (codes 0 and 1) or categorical (2 to 26 integer codes)."""

    name: str
    kind: Literal["binary", "categorical"]
    definition: str
    question: str
    values: dict[int, str]
    """Code -> label, in the codebook's order."""
    share: float | None
    """Expected share of positives (binary only)."""

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes in the order of the prediction's columns."""
        return tuple(self.values)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a prediction: one for a binary variable (probability of 1), one a code for a categorical."""
        return (self.name,) if self.kind == "binary" else tuple(f"{self.name}={code}" for code in self.codes)


@dataclass(frozen=True)
class Codebook:
    """All variables of a corpus and the names of its narrative columns."""

    dataset: str
    unit: str
    """What one case is, for example "one death"."""
    narratives: dict[str, str]
    """Narrative column -> what it holds."""
    variables: tuple[Variable, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in order."""
        return tuple(variable.name for variable in self.variables)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of a prediction, variable by variable."""
        return tuple(column for variable in self.variables for column in variable.columns)

    def slices(self) -> dict[str, slice]:
        """Variable -> its slice of `columns`; also the layout of a classifier's outputs."""
        slices, start = {}, 0
        for variable in self.variables:
            slices[variable.name] = slice(start, start + len(variable.columns))
            start += len(variable.columns)
        return slices


def load(path: Path) -> Codebook:
    """Read and check a codebook file.

    Raises:
        CodebookError: the file is missing, not YAML, or breaks a rule; the message names the variable and the rule.
    """
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        raise CodebookError(
            f"{path} is missing; `make corpus NAME=.. FROM=..` lays down a corpus and its codebook"
        ) from None
    except OSError as error:
        raise CodebookError(f"{path} cannot be read ({type(error).__name__})") from None
    except ValueError as error:
        raise CodebookError(f"{error}; expected a codebook like data/codebooks/nvdrs_youth.yaml") from None
    top = _Section(path, "", content)
    top.refuse_unknown("dataset", "unit", "narratives", "variables")
    narratives = top.mapping("narratives")
    for name, description in narratives.items():
        top.check(isinstance(name, str) and _NAME.fullmatch(name), "every narrative column needs a plain name")
        top.check(isinstance(description, str) and description.strip(), f"narrative {name} needs a description")
    top.check(1 <= len(narratives) <= 2, f"expected one or two narratives, found {len(narratives)}")
    entries = content.get("variables")
    top.check(isinstance(entries, list) and entries, "expected a list of variables, found none")
    variables = tuple(_variable(path, number, entry) for number, entry in enumerate(entries, 1))
    names = [*narratives, *(variable.name for variable in variables)]
    for name, count in Counter(names).items():
        top.check(count == 1, f"the name {name} stands {count} times; names must differ")
        top.check(name not in _RESERVED, f"the name {name} is reserved; choose another")
    return Codebook(top.text("dataset"), top.text("unit"), narratives, variables)


def _variable(path: Path, number: int, entry: Any) -> Variable:
    section = _Section(path, f"variable {number}", entry)
    name = section.text("name")
    section.check(_NAME.fullmatch(name), "a name is letters, digits and _, starting with a letter")
    section.where = f"variable {name}"
    section.refuse_unknown("name", "kind", "definition", "question", "values", "share")
    kind, definition = section.text("kind"), section.text("definition")
    section.check(kind in ("binary", "categorical"), "unknown kind; expected binary or categorical")
    values = {0: "no", 1: "yes"} if kind == "binary" and "values" not in entry else section.mapping("values")
    for code, label in values.items():
        section.check(type(code) is int and 0 <= code < 1000, "codes are whole numbers from 0 to 999")
        section.check(isinstance(label, str) and label.strip(), f"code {code} needs a label (quote yes and no)")
    section.check(len(values) > 1, "only one value; a variable needs two or more")
    section.check(
        len(values) <= MAX_CODES, f"{len(values)} codes; at most {MAX_CODES}, since each is asked as a letter"
    )
    section.check(kind == "categorical" or list(values) == [0, 1], "a binary has the codes 0 and 1, in this order")
    share = entry.get("share")
    section.check(share is None or (type(share) is float and 0 < share < 1), "share must lie between 0 and 1")
    question = section.text("question") if "question" in entry else definition
    return Variable(name, "binary" if kind == "binary" else "categorical", definition, question, values, share)


class _Section:
    """A mapping of the file, with checks that name the file and the place."""

    def __init__(self, path: Path, where: str, content: Any) -> None:
        self.path, self.where = path, where
        self.check(isinstance(content, dict), f"expected `key: value` lines, found {type(content).__name__}")
        self.content: dict[str, Any] = content

    def check(self, truth: object, rule: str) -> None:
        if not truth:
            raise CodebookError(f"{self.path}: {self.where + ': ' if self.where else ''}{rule}")

    def refuse_unknown(self, *known: str) -> None:
        for number, key in enumerate(self.content, 1):
            name = key if isinstance(key, str) and _NAME.fullmatch(key) else f"number {number}"
            self.check(key in known, f"unknown key {name}; expected {', '.join(known)}")

    def text(self, key: str) -> str:
        value = self.content.get(key)
        self.check(isinstance(value, str) and value.strip(), f"{key} must be a text")
        return str(value)

    def mapping(self, key: str) -> dict[Any, Any]:
        value = self.content.get(key)
        self.check(isinstance(value, dict) and value, f"{key} must be a mapping")
        return dict(value or {})
