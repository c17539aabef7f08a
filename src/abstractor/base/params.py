"""Reads params.yaml. The types of the values live with the code that uses them; this module knows no parameter."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from abstractor.base.errors import UserError
from abstractor.base.yaml_file import read_yaml

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")

Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""Of the whole pipeline; each purpose derives one of its own from it."""

CorpusName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""Names the folder data/raw/<corpus>/ and the codebook data/codebooks/<corpus>.yaml."""

_MOST = 10
"""Problems of a section that a message lists; who mends ten sees the next ten."""


class ParamsError(UserError):
    """params.yaml holds an unknown key or a value out of range."""


class Strict(BaseModel):
    """Base of every parameter type: unknown keys are refused, nothing is converted, nothing changes later.

    The docstring of a field is its description: the comment in params.yaml, written by tools/params.py.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Params:
    """The parsed params.yaml of the working directory."""

    def __init__(self, path: Path = PARAMS, pipeline: Path = PIPELINE) -> None:
        """Read the file and refuse top-level keys that no stage of the pipeline reads.

        Raises:
            ParamsError: the file is missing, not a YAML mapping, or has a key that `pipeline` never names.
        """
        try:
            content = read_yaml(path)
        except FileNotFoundError:
            raise ParamsError(f"{path} is missing; run from the folder that holds it") from None
        except OSError as error:
            raise ParamsError(f"{path} cannot be read ({type(error).__name__})") from None
        except ValueError as error:
            raise ParamsError(f"{error}; see the comments in {path} of a fresh clone") from None
        if not isinstance(content, dict):
            raise ParamsError(f"{path}: expected `key: value` lines, found {type(content).__name__}")
        self.path = path
        self._content: dict[str, Any] = content
        known = _sections_read(pipeline)
        for key in content:
            if key not in known:
                raise ParamsError(f"{path}: unknown key {_short(key)}, which no stage reads{_closest(str(key), known)}")
        for key in content:
            self._check_parts(str(key))

    def parts(self, key: str) -> list[str]:
        """The numbered keys beside `key`, in order: of `sc`, they are sc_1, sc_2, .."""
        return sorted(name for name in map(str, self._content) if re.fullmatch(rf"{re.escape(key)}_[0-9]+", name))

    def _check_parts(self, key: str) -> None:
        """DVC needs a list said twice, whole and by its parts; a wrong one is told before anything runs."""
        parts = [self._content[name] for name in self.parts(key)]
        if parts and all(isinstance(part, list) for part in (self._content[key], *parts)):
            listed = [item for part in parts for item in part]
            if sorted(map(str, self._content[key])) != sorted(map(str, listed)):
                raise ParamsError(
                    f"{self.path}: {key} must list what {', '.join(self.parts(key))} list together: {_short(listed)}"
                )

    def get(self, key: str, kind: Any) -> Any:
        """The value at a dotted `key`, checked against `kind` (a `Strict` class or any annotated type).

        Raises:
            ParamsError: the key is missing, or the value does not fit `kind`; names the full key and what was expected.
        """
        value: Any = self._content
        for depth, part in enumerate(key.split(".")):
            if not isinstance(value, dict) or part not in value:
                where = ".".join(key.split(".")[: depth + 1])
                choices = [str(name) for name in value] if isinstance(value, dict) else []
                raise ParamsError(f"{self.path}: {where} is missing{_closest(part, choices)}")
            value = value[part]
        try:
            return TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError as error:
            raise ParamsError(
                "\n".join(self._problem(key, kind, detail) for detail in error.errors()[:_MOST])
            ) from None

    def _problem(self, key: str, kind: Any, detail: Any) -> str:
        where = ".".join([key, *map(str, detail["loc"])])
        if detail["type"] == "extra_forbidden":
            known = list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
            return f"{self.path}: unknown key {where}{_closest(str(detail['loc'][-1]), known)}"
        if detail["type"] == "missing":
            return f"{self.path}: {where} is missing"
        if detail["type"] == "bool_type":
            return f"{self.path}: {where}: expected true or false, found {_short(detail['input'])}"
        return f"{self.path}: {where}: {detail['msg'][0].lower()}{detail['msg'][1:]}, found {_short(detail['input'])}"


def _sections_read(pipeline: Path) -> set[str]:
    """Top-level names of params.yaml that a pipeline file reads, in `${...}` or under `params:`."""
    try:
        text = pipeline.read_text(encoding="utf-8")
        bodies = [stage.get("do", stage) for stage in read_yaml(pipeline)["stages"].values()]
        listed = {str(entry).split(".")[0] for body in bodies for entry in body.get("params", [])}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ParamsError(f"{pipeline} cannot be read ({type(error).__name__}); restore it from git") from None
    return listed | set(re.findall(r"\$\{([a-z][a-z0-9_]*)", text)) - {"item", "key"}


def _closest(name: str, choices: Any) -> str:
    near = difflib.get_close_matches(name, list(map(str, choices)), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:80]}.. ({len(text)} characters)"
