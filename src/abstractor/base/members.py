"""The models that params call for, by kind: what the gathering stages must find."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from abstractor.base.errors import RunError
from abstractor.base.params import Params, ParamsError

Folds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2)]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = ("baseline", "linear_tfidf", "models", "ensemble", "backbones")


@dataclass(frozen=True)
class Members:
    """Names of the models and the folds that each was trained on."""

    sc: tuple[str, ...]
    ar: tuple[str, ...]
    folds: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All models, in the order of params.yaml."""
        return self.sc + self.ar

    def kind(self, name: str) -> str:
        """`sc` or `ar`, the ending of a model's stages."""
        return "sc" if name in self.sc else "ar"


def read(params: Params) -> Members:
    """The members of the ensemble.

    Raises:
        ParamsError: no model, or a name that stands twice, is not plain or is reserved.
        RunError: `folds` is not 0, 1, ..
    """
    sc, ar, folds = (params.get(key, kind) for key, kind in (("sc", list[str]), ("ar", list[str]), ("folds", Folds)))
    names = sc + ar
    for name in names:
        _check(params, _NAME.fullmatch(name), f"the model name {name!r} must match {_NAME.pattern}")
        _check(params, name not in _RESERVED, f"the model name {name} is reserved; choose another")
        _check(params, names.count(name) == 1, f"the model {name} stands twice in sc and ar; names must differ")
    _check(params, names, "sc and ar are both empty; an ensemble needs a model")
    return Members(tuple(sc), tuple(ar), tuple(check_folds(folds)))


def _check(params: Params, truth: object, rule: str) -> None:
    if not truth:
        raise ParamsError(f"{params.path}: {rule}")


def check_folds(folds: list[int]) -> list[int]:
    """Refuse a list of folds that is not 0, 1, .., n-1."""
    if folds != list(range(len(folds))):
        raise RunError(f"params.yaml: folds: expected [0, 1, .., n-1], found {folds}")
    return folds
