"""What a stage's script really reads, against what dvc.yaml lists for the stage."""

import importlib.util
import sys
from typing import Any, NamedTuple

import pytest

from abstractor.base.yaml_file import read_yaml
from abstractor.runs.inputs import Inputs
from support import tiny

CODE = ("src/", "stages/")


class Reads(NamedTuple):
    """Parameters by key, and files and folders other than code."""

    parameters: set[str]
    files: set[str]


def listed(project: tiny.Project, stage: str) -> Reads:
    """What dvc.lock holds of a stage that has run."""
    entry = read_yaml(project.folder / "dvc.lock")["stages"][stage]
    files = {dep["path"] for dep in entry["deps"] if not dep["path"].startswith(CODE)}
    return Reads(set(entry["params"]["params.yaml"]), files)


class Asked(NamedTuple):
    """What a script asks its `Inputs` for, in a run from beginning to end."""

    all: Reads
    before_kept: Reads | None
    """What a stopped run is found again by; None for a stage that does not go on after a stop."""


def asked(project: tiny.Project, stage: str) -> Asked:
    """Run the script of a stage that has run before, in this process."""
    command = read_yaml(project.folder / "dvc.lock")["stages"][stage]["cmd"]
    _, script, *arguments = command.split()
    spec = importlib.util.spec_from_file_location("stage", project.folder / script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[Inputs] = []
    keyed: list[Reads] = []

    def recorded(inputs: Inputs) -> None:
        made(inputs)
        found.append(inputs)

    def noted(inputs: Inputs, purpose: str) -> Any:
        keyed.append(reads(inputs))
        return kept(inputs, purpose)

    made, kept = Inputs.__init__, Inputs.kept
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(project.folder)
        patched.setattr(Inputs, "__init__", recorded)
        patched.setattr(Inputs, "kept", noted)
        patched.setattr(sys, "argv", [script, *arguments])
        module.main()
    (inputs,) = found
    return Asked(reads(inputs), keyed[0] if keyed else None)


def reads(inputs: Inputs) -> Reads:
    """What was asked for so far."""
    return Reads(set(inputs.parameters), {path.as_posix() for path in inputs.files})
