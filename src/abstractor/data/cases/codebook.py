"""The codebook: variables, kinds, codes and the column layout of a prediction. The only list of variables."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError

from abstractor.base.messages import codebook as messages
from abstractor.base.params import Strict
from abstractor.base.yaml_file import read_yaml

MAX_CODES = 26
"""A language model answers a categorical question with one letter."""

RESERVED = ("uid", "fold", "model", "system", "mean")
"""Names of columns in tables of predictions and folds."""

_Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
_Text = Annotated[str, Field(pattern=r"\S")]
_Code = Annotated[int, Field(ge=0, lt=1000)]


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

    def by_code(self, given: np.ndarray) -> np.ndarray:
        """The probability of every code, that of a binary variable's 0 among them.

        Args:
            given: (cases, columns), the variable's `columns` of a prediction.

        Returns:
            (cases, codes), in the order of `codes`; the same floats.
        """
        return np.concatenate([1 - given, given], axis=1) if self.kind == "binary" else given


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


class _Entry(Strict):
    """A variable in the file; `Variable` says what its keys mean."""

    name: _Name
    kind: Literal["binary", "categorical"]
    definition: _Text
    question: _Text = ""
    values: dict[_Code, _Text] = Field(default_factory=dict, min_length=2, max_length=MAX_CODES)
    share: Annotated[float, Field(gt=0, lt=1)] | None = None


class _File(Strict):
    """The file; `Codebook` says what its keys mean."""

    dataset: _Text
    unit: _Text
    narratives: Annotated[dict[_Name, _Text], Field(min_length=1, max_length=2)]
    variables: Annotated[list[_Entry], Field(min_length=1)]


def load(path: Path) -> Codebook:
    """Read and check a codebook file.

    Raises:
        CodebookError: the file is missing, not YAML, or breaks a rule; the message names the variable and the rule.
    """
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        raise messages.missing(path) from None
    except OSError as error:
        raise messages.unreadable(path, error) from None
    except ValueError as error:
        raise messages.no_yaml(error) from None
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        keys, keys_of_variable = list(_File.model_fields), list(_Entry.model_fields)
        raise messages.broken_rules(path, content, error.errors(), keys, keys_of_variable) from None
    for name, count in Counter([*file.narratives, *(entry.name for entry in file.variables)]).items():
        if count > 1:
            raise messages.repeated_name(path, name, count)
        if name in RESERVED:
            raise messages.reserved_name(path, name)
    variables = tuple(_variable(path, entry) for entry in file.variables)
    return Codebook(file.dataset, file.unit, file.narratives, variables)


def _variable(path: Path, entry: _Entry) -> Variable:
    values = entry.values
    if entry.kind == "binary":
        values = values or {0: "no", 1: "yes"}
        if list(values) != [0, 1]:
            raise messages.other_binary_codes(path, entry.name)
    elif not values:
        raise messages.no_values(path, entry.name)
    return Variable(entry.name, entry.kind, entry.definition, entry.question or entry.definition, values, entry.share)
