"""The models that params call for, by kind: what the gathering stages must find."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from abstractor.base.errors import RunError
from abstractor.base.params import Params, ParamsError

ALL: Literal["all"] = "all"
"""In the place of a fold: the model that learns from all coded cases, for new ones alone."""

Fold = Annotated[int, Field(ge=0)]
Folds = Annotated[list[Fold], Field(min_length=2)]
Training = Fold | Literal["all"]
"""One of a member's models, by the fold that it holds out; `all` holds none out."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = ("baseline", "linear_tfidf", "models", "ensemble", "backbones")


@dataclass(frozen=True)
class Members:
    """Names of the models, the folds that each was trained on, and which of its trainings read new cases."""

    sc: tuple[str, ...]
    ar: tuple[str, ...]
    folds: tuple[int, ...]
    readers: tuple[Training, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All models, in the order of params.yaml."""
        return self.sc + self.ar

    def kind(self, name: str) -> str:
        """`sc` or `ar`, the ending of a model's stages."""
        return "sc" if name in self.sc else "ar"


class Trainings(NamedTuple):
    """The models of each member."""

    folds: tuple[int, ...]
    """They predict the cases that they hold out."""
    trained: tuple[Training, ...]
    """All of them."""
    readers: tuple[Training, ...]
    """Those whose mean is said of a new case."""


def read(params: Params) -> Members:
    """The members of the ensemble.

    Raises:
        ParamsError: no model, or a name that stands twice, is not plain or is reserved; see `trainings` too.
        RunError: `folds` is not 0, 1, ..
    """
    sc, ar = (params.get(key, list[str]) for key in ("sc", "ar"))
    names = sc + ar
    for name in names:
        _check(params, _NAME.fullmatch(name), f"the model name {name!r} must match {_NAME.pattern}")
        _check(params, name not in _RESERVED, f"the model name {name} is reserved; choose another")
        _check(params, names.count(name) == 1, f"the model {name} stands twice in sc and ar; names must differ")
    _check(params, names, "sc and ar are both empty; an ensemble needs a model")
    folds, _, readers = trainings(params)
    return Members(tuple(sc), tuple(ar), folds, readers)


def trainings(params: Params) -> Trainings:
    """What is trained of each member, and which of it reads new cases.

    DVC cannot put lists together, so that `trainings` says again what `folds` and `readers` say.

    Raises:
        ParamsError: `readers` is empty, names one twice or a fold that is none; or `trainings` is not what they need.
        RunError: `folds` is not 0, 1, ..
    """
    folds = tuple(check_folds(params.get("folds", Folds)))
    trained, readers = (tuple(params.get(key, list[Training])) for key in ("trainings", "readers"))
    known: tuple[Training, ...] = (*folds, ALL)
    some = readers and len({*readers}) == len(readers) and {*readers} <= {*known}
    _check(params, some, f"readers: expected some of {[*known]}, each once, found {[*readers]}")
    needed = known if ALL in readers else folds
    _check(params, trained == needed, f"trainings: expected {[*needed]}, as folds and readers need, found {[*trained]}")
    return Trainings(folds, trained, readers)


def training(text: str) -> Training:
    """A training by its name on a command line; raises ValueError, which argparse tells in words."""
    return ALL if text == ALL else int(text)


def _check(params: Params, truth: object, rule: str) -> None:
    if not truth:
        raise ParamsError(f"{params.path}: {rule}")


def check_folds(folds: list[int]) -> list[int]:
    """Refuse a list of folds that is not 0, 1, .., n-1."""
    if folds != list(range(len(folds))):
        raise RunError(f"params.yaml: folds: expected [0, 1, .., n-1], found {folds}")
    return folds
