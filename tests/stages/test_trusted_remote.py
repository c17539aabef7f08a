"""Confidential outputs reach a remote only when a parameter names it; narratives and labels reach none."""

import os
from collections.abc import Callable
from pathlib import Path

import guard
import pytest
from dvc.repo import Repo
from support import tally as tallies
from support import tiny

pytestmark = [pytest.mark.stage, pytest.mark.reliability]


def objects(project: tiny.Project) -> dict[str, set[str]]:
    """Hashes of the cached objects of outputs by label; of confidential ones that stay here under `kept_here`."""
    found: dict[str, set[str]] = {"releasable": set(), "confidential": set(), "kept_here": set()}
    with Repo(str(project.folder)) as repo:
        for out in repo.index.outs:
            if out.use_cache:
                label = out.annot.meta["sensitivity"] if out.can_push else "kept_here"
                listed = [entry[2].value for entry in out.get_obj()] if out.hash_info.isdir else []
                found[label] |= {out.hash_info.value, *listed}
    assert all(found.values())
    return found


def pushed(remote: Path) -> set[str]:
    """Hashes of the objects in a remote."""
    paths = (remote / "files/md5").rglob("*")
    return {path.parent.name + path.name for path in paths if path.is_file()}


def test_an_untrusted_remote_gets_what_is_releasable(
    copy: Callable[[], tiny.Project], tmp_path: Path, tally: tallies.Tally
) -> None:
    project, store = copy(), tmp_path / "store"
    releasable = objects(project)["releasable"]
    project.run("dvc", "remote", "add", "--default", "store", str(store))
    with tally.trial("faults"):
        printed = project.run("dvc", "push", "--run-cache", check=False)
        assert "name-a-trusted_remote-in-params.yaml" in printed
        assert pushed(store) <= releasable
        assert [*(store / "runs").rglob("*")]
        assert not [path for path in store.rglob("*") if path.is_file() and tiny.words_in(path)]
    with tally.trial("faults"):
        project.write_params(project.params() | {"trusted_remote": "inside"})
        project.run("dvc", "remote", "add", "trusted-inside", str(tmp_path / "inside"))
        project.run("dvc", "push", "-r", "store")
        assert pushed(store) == releasable


def test_both_remotes_are_checked(copy: Callable[[], tiny.Project], tmp_path: Path) -> None:
    project, inside = copy(), tmp_path / "inside"
    assert "found none" in project.run(*tiny.make("check-remote"), check=False)
    project.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    project.run("dvc", "remote", "add", "trusted-inside", str(inside))
    for name in ("store", "trusted-inside"):
        project.run("dvc", "remote", "modify", name, "verify", "true")
    project.write_params(project.params() | {"trusted_remote": "inside"})
    project.run("dvc", "push")
    printed = project.run(*tiny.make("check-remote"))
    for name, place in (("store", tmp_path / "store"), ("trusted-inside", inside)):
        assert f"{name}: {len(pushed(place))} files, all whole" in printed
    damaged, *_ = (path for path in (inside / "files/md5").rglob("*") if path.is_file() and path.suffix != ".dir")
    before = damaged.stat()
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a disk that went bad
    assert "removed 1 that are not" in project.run(*tiny.make("check-remote"), check=False)


def test_the_trusted_remote_gets_all_but_narratives_and_labels(
    copy: Callable[[], tiny.Project], tmp_path: Path
) -> None:
    """Although a refused push has told DVC before that the same address is for releasable outputs."""
    project, store = copy(), tmp_path / "store"
    held = objects(project)
    project.run("dvc", "remote", "add", "--default", "trusted-store", str(store))
    project.run("dvc", "remote", "modify", "trusted-store", "verify", "true")
    project.run("dvc", "push", check=False)
    project.write_params(project.params() | {"trusted_remote": "store"})
    project.run("python", "tools/push.py")
    assert pushed(store) == held["releasable"] | held["confidential"]
    assert not [path for path in store.rglob("*") if path.is_file() and tiny.words_in(path)]
    assert "up to date" in project.run("dvc", "status")


def test_what_a_run_commits_passes_the_guard(finished: tiny.Project) -> None:
    guard.check(finished.folder)
