"""What a stage declares in dvc.yaml against what its kept folder is keyed by."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from abstractor.base.yaml_file import read_yaml
from abstractor.machine.compute import Compute, Inference, Machine, choose
from abstractor.runs import resume
from support import tiny

CODE = ("src/", "stages/")


class Reached(Exception):
    """The stage asks for what a stopped run left."""


def unkeyed(project: tiny.Project, stage: str) -> set[str]:
    """Dependencies and parameters of a stage that has run which the key of its kept folder does not hold."""
    entry = read_yaml(project.folder / "dvc.lock")["stages"][stage]
    depends = _asked(project, entry["cmd"])
    paths = {item for item in depends if isinstance(item, Path)}
    values = [item for item in depends if not isinstance(item, Path)]
    declared = [Path(dep["path"]) for dep in entry["deps"] if not dep["path"].startswith(CODE)]
    missing = {path.as_posix() for path in declared if not any(path.is_relative_to(held) for held in paths)}
    for key, value in entry["params"]["params.yaml"].items():
        named = any(held.stem == value for held in paths) if key == "corpus" else False
        if not named and not any(_is(item, value) for item in values):
            missing.add(key)
    return missing


def _asked(project: tiny.Project, command: str) -> tuple[Any, ...]:
    """What the stage's call of `resume.kept` depends on; nothing is trained or predicted."""
    found: list[Any] = []

    @contextmanager
    def kept(_: str, *depends: Any) -> Iterator[Path]:
        found.extend(depends)
        raise Reached
        yield  # a generator, as `contextmanager` wants it

    _, script, *arguments = command.split()
    spec = importlib.util.spec_from_file_location("stage", project.folder / script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(project.folder)
        patched.setattr(resume, "kept", kept)
        patched.setattr(sys, "argv", [script, *arguments])
        with pytest.raises(Reached):
            module.main()
    return tuple(found)


def _is(item: Any, value: Any) -> bool:
    """Whether `item` is a parameter's value, bound to its type."""
    try:
        if isinstance(item, Compute) and isinstance(value, dict):
            kind = Inference if "batch_tokens" in value else Machine
            return choose(kind.model_validate(value)) == item
        if isinstance(item, BaseModel):
            return type(item).model_validate(value) == item
    except ValidationError:
        return False
    return type(item) is type(value) and bool(item == value)
