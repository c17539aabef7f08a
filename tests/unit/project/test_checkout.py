"""What a clone lacks is said by `make setup`: links, the hook, an environment that is whole."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support import ROOT, faults

LINKS = ("stages", "tools", "benchmarks")
UNSET = ("MAKEFLAGS", "LOCK", "VIRTUAL_ENV")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `make checkout` looks at, in a repository of a user without settings."""
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "home").mkdir()
    folder = tmp_path / "clone"
    for name in ("Makefile", "tools/hooks/pre-commit", "src/abstractor/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in LINKS:
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "abstractor").symlink_to("../src/abstractor")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_hook_is_set_and_nothing_is_said(clone: Path) -> None:
    done = make(clone, "checkout")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    hooks = subprocess.run(["git", "config", "core.hooksPath"], cwd=clone, capture_output=True, text=True, check=True)
    assert hooks.stdout == "tools/hooks\n"


def test_hooks_elsewhere_are_named_and_left(clone: Path, heard: faults.Heard) -> None:
    subprocess.run(["git", "config", "--global", "core.hooksPath", "/opt/hooks"], check=True)
    done = make(clone, "checkout")
    assert done.returncode == 0
    assert "git runs /opt/hooks/pre-commit, not tools/hooks/pre-commit: nothing refuses case data" in done.stderr
    heard(done.stderr)


def test_a_hook_that_calls_ours_by_a_link_counts(clone: Path) -> None:
    (clone.parent / "hooks").mkdir()
    (clone.parent / "hooks/pre-commit").symlink_to(clone / "tools/hooks/pre-commit")
    subprocess.run(["git", "config", "--global", "core.hooksPath", str(clone.parent / "hooks")], check=True)
    assert make(clone, "checkout").stderr == ""


def test_a_hook_that_may_not_run_is_told(clone: Path) -> None:
    (clone / "tools/hooks/pre-commit").chmod(0o644)
    done = make(clone, "checkout")
    assert done.returncode == 0 and "chmod +x tools/hooks/*" in done.stderr


@pytest.mark.parametrize("inside", [False, True])
def test_no_repository_is_told(clone: Path, inside: bool, heard: faults.Heard) -> None:
    """The project came as an archive, maybe into another repository, whose settings stay as they are."""
    shutil.rmtree(clone / ".git")
    if inside:
        subprocess.run(["git", "init", "-q"], cwd=clone.parent, check=True)
    done = make(clone, "checkout")
    assert done.returncode == 0 and "`git init && make checkout && git add -A && git commit -m Start`" in done.stderr
    heard(done.stderr)
    assert not inside or "hooksPath" not in (clone.parent / ".git/config").read_text(encoding="utf-8")


def test_a_hook_that_is_there_is_left(clone: Path) -> None:
    hook = clone / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n", encoding="utf-8")
    hook.chmod(0o755)
    done = make(clone, "checkout")
    assert done.returncode == 0
    assert "git runs .git/hooks/pre-commit, not tools/hooks/pre-commit: nothing refuses case data" in done.stderr
    assert "hooksPath" not in (clone / ".git/config").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "known"), [("nosuch", False), ("..", False), ("mine", True), ("demo", True)])
def test_a_baseline_of_a_corpus_that_is_not_there_is_refused(
    clone: Path, name: str, known: bool, heard: faults.Heard
) -> None:
    """Else params.yaml would name it; of one that is there its line alone is written."""
    (clone / "data/raw/mine").mkdir(parents=True)
    for tool in ("dvc", "python"):
        (clone / ".venv/bin").mkdir(parents=True, exist_ok=True)
        (clone / ".venv/bin" / tool).write_text('#!/bin/sh\necho "$0" "$@"\n', encoding="utf-8")
        (clone / ".venv/bin" / tool).chmod(0o755)
    text = "a:   [1,\n  2]\n\n# A comment.\ncorpus: old\n"
    (clone / "params.yaml").write_text(text, encoding="utf-8")
    done = make(clone, "--old-file=setup", "baseline", f"NAME={name}")
    assert (done.returncode == 0) == known
    assert (clone / "params.yaml").read_text(encoding="utf-8") == (text.replace("old", name) if known else text)
    if known:
        assert "dvc repro baseline" in done.stdout
    else:
        heard(done.stderr)


@pytest.mark.parametrize("name", LINKS)
def test_a_checkout_without_links_is_refused(clone: Path, name: str, heard: faults.Heard) -> None:
    (clone / name / "abstractor").unlink()
    (clone / name / "abstractor").write_text("../src/abstractor", encoding="utf-8")
    done = make(clone, "checkout")
    assert done.returncode == 2
    assert f"expected {name}/abstractor to be a link to ../src/abstractor, found none" in done.stderr
    assert "`git config core.symlinks true`" in done.stderr
    heard(done.stderr)


def test_every_file_that_git_holds_has_the_same_bytes_everywhere(tmp_path: Path) -> None:
    """Also where git is told to end lines as Windows does: DVC goes by hashes, and a script with CR does not start."""
    for name in (".gitattributes", "Makefile", "tools/hooks/pre-commit", "params.yaml", ".dvc/plots/page.html"):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "here" / name)
    here = tmp_path / "here"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "core.autocrlf=true"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Start"], ["clone", "-q", ".", "../there"]):
        subprocess.run([*git, *command], cwd=here, check=True)
    names = [path.relative_to(here) for path in here.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert len(names) == 5
    for name in names:
        assert (tmp_path / "there" / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_make_takes_the_python_of_the_clone_whatever_else_is_active(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = clone.parent / "other"
    venv.create(other, symlinks=True)
    venv.create(clone / ".venv", symlinks=True)
    monkeypatch.setenv("VIRTUAL_ENV", str(other))
    monkeypatch.setenv("PATH", f"{other}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    program = 'import os, sys; print(sys.prefix, os.environ.get("PYTHONPATH"))'
    shown = make(clone, f"--eval=shown: ; @python -c '{program}'", "shown")
    assert shown.stdout == f"{clone}/.venv None\n", shown.stderr


@pytest.fixture
def whole(clone: Path) -> Path:
    """A clone with an environment; its Python has a pip that installs nothing."""
    venv.create(clone / ".venv", symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (clone / f".venv/lib/{version}/site-packages/pip.py").touch()
    return clone


def is_whole(folder: Path) -> bool:
    return make(folder, "--eval=shown: ; @echo [$(whole)]", "shown").stdout == "[yes]\n"


def test_a_whole_environment_is_left(whole: Path) -> None:
    assert is_whole(whole)
    (whole.parent / "tree").mkdir()
    shutil.copy(whole / "Makefile", whole.parent / "tree/Makefile")
    (whole.parent / "tree/.venv").symlink_to(whole / ".venv")
    assert is_whole(whole.parent / "tree"), "a worktree's link"


def test_an_environment_in_which_an_installation_was_killed_is_made_anew(whole: Path) -> None:
    (whole / ".venv/.installing").touch()
    assert not is_whole(whole)


def test_an_environment_that_moved_with_its_clone_is_made_anew(whole: Path) -> None:
    moved = whole.rename(whole.with_name("moved"))
    assert not is_whole(moved)


def test_an_environment_whose_python_went_or_changed_is_made_anew(whole: Path) -> None:
    python = whole / ".venv/bin/python"
    (whole / ".venv/lib").rename(whole / ".venv/another-version")
    assert not is_whole(whole)
    (whole / ".venv/another-version").rename(whole / ".venv/lib")
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert not is_whole(whole)


def test_variables_of_other_work_make_no_environment_broken(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    assert is_whole(whole)
