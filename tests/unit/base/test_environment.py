"""What runs is what lies beside the script: the library, the Python, the packages of the lock."""

import ast
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support import ROOT, faults

SCRIPT = """
from abstractor.base.script import run_script
def main():
    import NEEDED
    print("it runs")
run_script(main)
"""


def tree(folder: Path, needed: str = "os") -> Path:
    """A script and the library beside it, as in a clone, a worktree or one of DVC's copies."""
    shutil.copytree(ROOT / "src/abstractor/base", folder / "src/abstractor/base")
    (folder / "stages").mkdir()
    (folder / "stages/abstractor").symlink_to("../src/abstractor")
    (folder / "stages/script.py").write_text(SCRIPT.replace("NEEDED", needed), encoding="utf-8")
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """One with an environment."""
    venv.create(tmp_path / "clone/.venv", symlinks=True)
    return tree(tmp_path / "clone")


def run(
    folder: Path, python: Path | str = sys.executable, within: str = ".", **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
    command = [str(python), str(folder / "stages/script.py")]
    return subprocess.run(command, cwd=folder / within, env=environment, capture_output=True, text=True, check=False)


def test_the_environment_of_the_clone_runs_it(clone: Path) -> None:
    assert run(clone, clone / ".venv/bin/python").stdout == "it runs\n"


def test_another_python_is_refused_by_its_name(clone: Path, heard: faults.Heard) -> None:
    done = run(clone)
    assert done.returncode == 2 and not done.stdout
    assert f"expected the Python of {clone}/.venv, found {sys.executable}" in done.stderr
    assert f"source {clone}/.venv/bin/activate" in done.stderr
    heard(done.stderr)


def test_a_worktree_has_no_environment_or_a_link_to_one(clone: Path, tmp_path: Path) -> None:
    other = tree(tmp_path / "other")
    assert run(other).returncode == 0
    (other / ".venv").symlink_to(clone / ".venv")
    assert run(other, clone / ".venv/bin/python").returncode == 0
    assert run(other, ".venv/bin/python").returncode == 0
    assert run(other).returncode == 2


def test_a_copy_that_dvc_made_runs_in_the_environment_of_its_clone(clone: Path) -> None:
    copy = tree(clone / ".dvc/tmp/exps/standalone/copy")
    assert run(copy, clone / ".venv/bin/python").returncode == 0
    assert "expected the Python" in run(copy).stderr


def test_a_folder_of_the_project_is_no_place_to_run_from(clone: Path, heard: faults.Heard) -> None:
    python = clone / ".venv/bin/python"
    done = run(clone, python, within="stages")
    assert done.returncode == 2 and not done.stdout
    assert f"expected {clone} as the working directory, found stages in it; run `cd {clone}`" in done.stderr
    heard(done.stderr)
    assert run(clone, python, within="..").returncode == 0


def test_a_python_without_the_scripts_folder_finds_no_library(clone: Path, heard: faults.Heard) -> None:
    done = run(clone, clone / ".venv/bin/python", PYTHONSAFEPATH="1")
    assert done.returncode == 1
    heard(done.stderr)


def test_a_missing_package_is_named_with_the_python_that_lacks_it(tmp_path: Path, heard: faults.Heard) -> None:
    done = run(tree(tmp_path, needed="zebrafinch"))
    assert done.returncode == 2
    assert f"error: {sys.executable} has no package zebrafinch; run `make setup`" in done.stderr
    heard(done.stderr)


def test_a_module_of_the_project_that_is_missing_is_no_package(tmp_path: Path) -> None:
    done = run(tree(tmp_path, needed="abstractor.zebrafinch"))
    assert done.returncode == 1 and "internal error: ModuleNotFoundError" in done.stderr


def test_packages_of_another_lock_are_noticed(clone: Path, heard: faults.Heard) -> None:
    python = clone / ".venv/bin/python"
    (clone / "requirements").mkdir()
    (clone / "requirements/cpu.txt").write_text("numpy==2\n", encoding="utf-8")
    (clone / ".venv/.installed-cpu").write_text("numpy==1\n", encoding="utf-8")
    done = run(clone, python)
    assert done.stdout == "it runs\n"
    assert "does not hold the packages of" in done.stderr and "requirements/cpu.txt; run `make setup`" in done.stderr
    heard(done.stderr)

    (clone / ".venv/.installed-cpu").write_text("numpy==2\n", encoding="utf-8")
    assert run(clone, python).stderr == ""


def test_an_older_python_comes_far_enough_to_be_told() -> None:
    """Python 3.8: no `X | None` where it is evaluated, no `match`."""
    for name in ("environment", "errors", "script"):
        text = (ROOT / f"src/abstractor/base/{name}.py").read_text(encoding="utf-8")
        assert "from __future__ import annotations" in text
        ast.parse(text, feature_version=(3, 8))
