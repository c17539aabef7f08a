"""What the README tells a newcomer to type exists."""

import re

import pytest
from support import ROOT

from abstractor.base.params import Params

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\w*\$ (.*?)(?:  +#.*)?$", TEXT, re.MULTILINE)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for command in COMMANDS for word in re.findall(r"\bmake ([a-z0-9-]+)", command)}
    assert {"repro", "test", "corpus", "predict"} <= named <= targets


def test_parameters_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    keys = [key for command in COMMANDS for key in re.findall(r"-S ([\w.]+)=", command)]
    assert "rdrop" in keys
    for key in keys:
        Params().get(key, object)


def test_files_and_folders_exist() -> None:
    tree = TEXT.split("## What lies where")[1].split("```")[1]
    for name in re.findall(r"^([a-z][\w./]*)", tree, re.MULTILINE):
        assert (ROOT / name).exists(), name
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", TEXT):
        assert (ROOT / link).exists(), link
    stages = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"`([a-z_0-9]+)`", TEXT.split("| stage |")[1].split("\n\n")[0]):
        assert f"\n  {name}:" in stages, name


def test_it_opens_with_a_content_note_and_a_crisis_line() -> None:
    assert "988" in TEXT[:500]
