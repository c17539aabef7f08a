"""Others on the same machine read no case, no model and no cache, whatever umask DVC runs under."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import tiny

from abstractor.base.script import PRIVATE

pytestmark = [pytest.mark.stage, pytest.mark.reliability]


def within_reach(folder: Path) -> set[Path]:
    """Files below `folder` that another account, of the owner's group or not, can read."""
    found: set[Path] = set()
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        if path.is_dir() and not path.is_symlink() and mode & 0o011:
            found |= within_reach(path)
        elif path.is_file() and mode & 0o044:
            found.add(path)
    return found


def private_within_reach(project: tiny.Project) -> set[Path]:
    """Those that hold, or may hold, what was made from cases."""
    places = [project.folder / name for name in PRIVATE]
    return {path for path in within_reach(project.folder) if any(path.is_relative_to(place) for place in places)}


def loosen(project: tiny.Project) -> None:
    """As if everything had been made under the usual umask, by DVC alone."""
    project.umask = 0o022
    project.run("chmod", "-R", "go+rX", ".")


def test_a_stage_closes_what_others_could_enter(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    loosen(project)
    kinds = {path.relative_to(project.folder).parts[0] for path in private_within_reach(project)}
    assert kinds == set(PRIVATE)

    project.run("dvc", "repro", "--force", "--single-item", "prepare")

    assert private_within_reach(project) == set()
    project.run("rm", "-r", "data/prepared", "models/sc1_minilm")
    project.run("dvc", "checkout")
    assert (project.folder / "data/prepared/cases.parquet").exists()
    assert private_within_reach(project) == set()


def test_the_first_stage_of_a_fresh_clone_leaves_no_cache_open(
    copy: Callable[[], tiny.Project], tmp_path: Path
) -> None:
    fresh = clone(copy(), tmp_path / "other")
    fresh.run("cp", "-r", str(tmp_path / "project/data/raw"), "data")
    fresh.run("dvc", "repro", "--force", "--single-item", "prepare_new")
    assert (fresh.folder / ".dvc/cache/files").is_dir()
    assert private_within_reach(fresh) == set()


def test_what_is_pulled_into_a_set_up_clone_is_out_of_reach(copy: Callable[[], tiny.Project], tmp_path: Path) -> None:
    trainer = copy()
    trainer.run("dvc", "remote", "add", "--default", "trusted-store", str(tmp_path / "remote"))
    trainer.write_params(trainer.params() | {"trusted_remote": "store"})
    trainer.commit()
    trainer.run("dvc", "push")
    fresh = clone(trainer, tmp_path / "other")
    for line in closing():
        fresh.run(*line)

    fresh.run("dvc", "pull", "train_ar", "infer_t4")

    assert (fresh.folder / "models/ar_smollm2/0/adapter_model.safetensors").exists()
    assert private_within_reach(fresh) == set()
    fresh.run("chmod", "755", *PRIVATE)
    assert private_within_reach(fresh)  # else the folders' modes were not what kept others out


def clone(project: tiny.Project, folder: Path) -> tiny.Project:
    """A clone made under the usual umask."""
    folder.mkdir()
    fresh = tiny.Project(folder / "project", project.environment)
    project.run("git", "clone", "-q", str(project.folder), str(fresh.folder))
    loosen(fresh)
    return fresh


def closing() -> list[list[str]]:
    """What `make setup` does about it."""
    makefile = (tiny.ROOT / "Makefile").read_text(encoding="utf-8")
    return [line.split() for line in re.findall(r"^\t(chmod .*)$", makefile, re.MULTILINE)]
