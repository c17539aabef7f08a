"""Case data is refused in git: by a hook before each commit, and here for what is committed already."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import guard
import pytest
from support import ROOT, faults

SECRET = "zq planted words vn"
HOOKS = [f"tools/hooks/{name}" for name in ("pre-commit", "pre-merge-commit", "pre-push")]
KNOWN = guard.Names({"NarrativeLE", "report_a"}, {"Argument", "WeaponType1", "wet_floor"}, {"WeaponType1"})


def test_git_holds_no_case_data() -> None:
    guard.check(ROOT, history=["HEAD"])


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the hook, set up as `make setup` does it."""
    for name in (".gitignore", "data/codebooks/nvdrs_youth.yaml", "tools/guard.py", "tools/released.py", *HOOKS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (tmp_path / "tools/abstractor").symlink_to("../src/abstractor")
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "git config core.hooksPath tools/hooks" in recipe
    for command in (["init", "-q"], ["config", "core.hooksPath", "tools/hooks"], ["config", "user.email", "a@b"]):
        git(tmp_path, *command)
    git(tmp_path, "config", "user.name", "tests")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Start")
    return tmp_path


def git(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(["git", *command], cwd=folder, env=environment, capture_output=True, text=True, check=check)


def test_the_hook_refuses_a_narrative_and_shows_nothing_of_it(clone: Path) -> None:
    (clone / "notes.txt").write_text(f"uid;NarrativeLE\n1;{SECRET}\n", encoding="utf-8")
    git(clone, "add", "-A")
    done = git(clone, "commit", "-qm", "Add notes", check=False)
    assert done.returncode != 0
    assert "notes.txt: a narrative column" in done.stderr and "git rm --cached" in done.stderr
    assert SECRET not in done.stdout + done.stderr and "Traceback" not in done.stderr

    git(clone, "rm", "-q", "--cached", "notes.txt")
    (clone / "README.md").write_text("The column NarrativeLE holds a report: mind it.\n", encoding="utf-8")
    git(clone, "add", "README.md")
    git(clone, "commit", "-qm", "Add a file that may be there")


@pytest.mark.parametrize(
    ("path", "content", "why"),
    [
        ("cases.csv", "a,b\n1,2\n", "a table"),
        ("docs/cases.PARQUET", "PAR1", "a table"),
        ("metrics/plots/f1.csv", 'uid,"NarrativeLE"\n1,x\n', "a narrative column"),
        ("metrics/plots/f1.csv", "\ufeffuid,NarrativeLE\r\n1,x\r\n", "a narrative column"),
        ("cases", "uid\tNarrativeLE\n", "a narrative column"),
        ("metrics/x.json", '{"cases": [{"uid": "1", "NarrativeLE": "x"}]}', "a narrative column"),
        ("metrics/x.json", '{"NarrativeLE": {"0": "x"}}', "a narrative column"),
        ("notes.yaml", "- NarrativeLE: |\n    x\n", "a narrative column"),
        ("notes.yaml", "- {uid: 1, Argument: 1}\n", "uids with coded variables"),
        ("metrics/curves/a.tsv", "uid\tArgument\n", "uids with coded variables"),
        ("metrics/curves/a.tsv", "WeaponType1=3\tuid\n", "uids with coded variables"),
        ("notes.md", "x" * (guard.LARGEST + 1), "1,000,001 bytes"),
        ("models/m/adapter.safetensors", "", "weights"),
        ("cases", "     uid   NarrativeLE  CallerID\n0    a1   text\n", "a narrative column"),
        ("page.html", "<table><tr><th></th><th>NarrativeLE</th></tr></table>", "a narrative column"),
        ("look.ipynb", '{"cells": [{"outputs": [{"output_type": "stream"}]}]}', "a notebook with outputs"),
        ("train_features.csv.gz", "\x1f", "an archive"),
        ("cases.SQLite", "", "an archive"),
        ("models.pickle", "", "weights"),
        ("src/large.py", "x" * (guard.LARGEST + 1), "1,000,001 bytes"),
        ("notes.txt", "UID;Report A;Report B\n1;x;y\n", "a narrative column"),
        ("notes.txt", "Cases of a year\n\nuid,report_a\n", "a narrative column"),
        ("notes.md", "# Notes\n\n| no | Narrative LE |\n|---|---|\n", "a narrative column"),
        ("notes.txt", "ID Argument wet_floor\n1 0 1\n", "uids with coded variables"),
        ("notes.json", '[{"Report A": "x"}]', "a narrative column"),
        ("notes.yaml", "- no: 1\n  report a: |\n    x\n", "a narrative column"),
        ("notes.json", '[{"case": 1, "wet_floor": 1}]', "uids with coded variables"),
        ("metrics/curves/p.csv", "case,wet_floor\n1,1\n", "uids with coded variables"),
        ("metrics/plots/p.csv", "uid\tp\n1\t0.5\n", "not what a stage writes there"),
        ("metrics/plots/f1.csv", "step\tpart\tloss\n", "not what a stage writes there"),
        ("cases.sas7bdat", "x", "an archive"),
        ("cases", "uid;a".encode("utf-16").decode("latin-1"), "no text in UTF-8"),
        ("cases", "u\0i\0d\0", "no text in UTF-8"),
        ("look.png", "\x89PNG", "no text in UTF-8"),
    ],
)
def test_what_may_not_be_in_git(path: str, content: str, why: str) -> None:
    stored = content.encode("utf-8" if "\ufeff" in content else "latin-1")
    assert (guard.problem(guard.Entry(path, stored), KNOWN) or "").startswith(why)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("data/codebooks/mine.yaml", "narratives:\n  NarrativeLE: a report\nvariables:\n  - {name: Argument}\n"),
        ("metrics/oof/m/0.json", '{"f1": {"Argument": 0.5, "mean": 0.5}}'),
        ("metrics/plots/f1.csv", "variable,system,f1\nArgument,baseline,0.5\n"),
        ("tests/test_x.py", 'rows = {"uid": ["1"], "NarrativeLE": ["x"]}\n'),
        ("dvc.lock", "x" * (guard.LARGEST + 1)),
        ("empty.csv.md", ""),
        ("look.ipynb", '{"cells": [{"outputs": []}]}'),
        ("notes.md", "# Notes\n\nThe column report_a, or NarrativeLE, of a uid.\n"),
        ("tests/test_y.py", 'import x\n\nNAMES = [\n    "uid", "NarrativeLE", "Argument",\n]\n'),
        ("metrics/curves/m/0.tsv", "step\tpart\tloss\n1\ttraining\t0.7\n"),
    ],
)
def test_what_may_be_in_git(path: str, content: str) -> None:
    assert guard.problem(guard.Entry(path, content.encode("latin-1")), KNOWN) is None


def test_the_index_counts_not_the_working_tree(clone: Path) -> None:
    """A file that was staged and then deleted or emptied would still be committed."""
    (clone / "cases.csv").write_text("uid\n1\n", encoding="utf-8")
    git(clone, "add", "-A")
    (clone / "cases.csv").unlink()
    with pytest.raises(guard.GuardError, match=r"cases\.csv"):
        guard.check(clone)


def test_what_a_later_commit_took_away_is_still_there(clone: Path) -> None:
    (clone / "old.txt").write_text("uid;NarrativeLE\n", encoding="utf-8")
    git(clone, "add", "-A")
    git(clone, "commit", "-qnm", "Add without the hook")
    git(clone, "rm", "-q", "old.txt")
    git(clone, "commit", "-qm", "Take it away")
    guard.check(clone)
    with pytest.raises(guard.GuardError, match=r"old\.txt: a narrative column\na later commit does not take it away"):
        guard.check(clone, history=["HEAD"])


def test_every_codebook_counts(clone: Path) -> None:
    book = (clone / "data/codebooks/nvdrs_youth.yaml").read_text(encoding="utf-8")
    (clone / "data/codebooks/mine.yaml").write_text(book.replace("NarrativeLE:", "abstract_1:"), encoding="utf-8")
    (clone / "notes.yaml").write_text("abstract_1: x\n", encoding="utf-8")
    git(clone, "add", "notes.yaml")
    with pytest.raises(guard.GuardError, match=r"notes\.yaml"):
        guard.check(clone)


def test_the_hook_refuses_scores_of_one_case_more(clone: Path) -> None:
    path = clone / "metrics/evaluate.json"
    path.parent.mkdir()
    (clone / "params.yaml").write_text("corpus: mine\nsmallest_count: 10\n", encoding="utf-8")
    for cases, refused in ((100, False), (101, True), (110, False)):
        path.write_text(json.dumps({"cases": cases, "f1": {"mean": 0.5, "Argument": 0.5}}), encoding="utf-8")
        git(clone, "add", "-A")
        done = git(clone, "commit", "-qm", "Score", check=False)
        assert (done.returncode != 0) == refused
        assert ("metrics/evaluate.json: scores of 1 to 9 cases more" in done.stderr) == refused
        assert "Traceback" not in done.stderr

    git(clone, "rm", "-q", str(path))
    git(clone, "commit", "-qm", "Take the scores away")
    path.parent.mkdir(exist_ok=True)
    for cases, refused in ((113, True), (120, False)):
        path.write_text(json.dumps({"cases": cases, "f1": {"mean": 0.5, "Argument": 0.5}}), encoding="utf-8")
        git(clone, "add", "-A")
        done = git(clone, "commit", "-qm", "Score again", check=False)
        assert (done.returncode != 0) == refused, done.stderr


def test_a_first_commit_has_none_before_it(clone: Path) -> None:
    (clone / "metrics").mkdir()
    (clone / "metrics/evaluate.json").write_text('{"cases": 100}', encoding="utf-8")
    (clone / "params.yaml").write_text("corpus: mine\nsmallest_count: 10\n", encoding="utf-8")
    git(clone, "checkout", "-q", "--orphan", "new")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "Start")


def test_what_a_merge_brings_is_refused(clone: Path) -> None:
    git(clone, "checkout", "-qb", "theirs")
    (clone / "old.txt").write_text("uid;NarrativeLE\n", encoding="utf-8")
    git(clone, "add", "-A")
    git(clone, "commit", "-qnm", "Add without the hook")
    git(clone, "checkout", "-q", "-")
    done = git(clone, "merge", "--no-ff", "-m", "Merge", "theirs", check=False)
    assert done.returncode and "old.txt: a narrative column" in done.stderr


def test_a_push_of_what_a_later_commit_took_away_is_refused(clone: Path) -> None:
    remote = clone.parent / f"{clone.name}-remote"
    git(clone, "init", "-q", "--bare", str(remote))
    git(clone, "push", "-q", str(remote), "HEAD:refs/heads/ours")
    git(clone, "checkout", "-qb", "theirs")
    (clone / "old.txt").write_text("uid;NarrativeLE\n", encoding="utf-8")
    git(clone, "add", "-A")
    git(clone, "commit", "-qnm", "Add without the hook")
    git(clone, "rm", "-q", "old.txt")
    git(clone, "commit", "-qm", "Take it away")
    git(clone, "checkout", "-q", "-")
    done = git(clone, "push", "-q", str(remote), "theirs", check=False)
    assert done.returncode and "old.txt: a narrative column" in done.stderr
    git(clone, "push", "-q", str(remote), ":ours")


def test_a_clone_without_an_environment_is_told(clone: Path, heard: faults.Heard) -> None:
    bare = clone / "data/bin/python3"
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    environment = os.environ | {"PATH": f"{bare.parent}:{os.environ['PATH']}"}
    command = ["git", "commit", "--allow-empty", "-qm", "Try"]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode and "Traceback" not in done.stderr and "run `make setup`" in done.stderr
    heard(done.stderr)


def test_the_hook_runs_where_python_leaves_out_the_scripts_folder(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    git(clone, "commit", "--allow-empty", "-qm", "Try")


def test_a_worktree_is_guarded_by_its_own_python_or_the_clones(clone: Path) -> None:
    tree = clone.parent / f"{clone.name}-tree"
    git(clone, "worktree", "add", "-q", str(tree))
    for owner in (clone, tree):
        python = owner / ".venv/bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\necho "of {owner.name}" >&2\nexit 3\n', encoding="utf-8")
        python.chmod(0o755)
        done = git(tree, "commit", "--allow-empty", "-qm", "Try", check=False)
        assert done.returncode and done.stderr == f"of {owner.name}\n"
