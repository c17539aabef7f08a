"""A copy that DVC makes runs its own library, and a corpus of one's own where it is told to take that along."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from support import faults, tiny

pytestmark = pytest.mark.stage

WORDS = "the queued code runs"
PATIENCE = 180
"""Seconds for DVC's worker to start and to end."""


def run_queue(project: tiny.Project) -> str:
    """Run what is queued to its end; returns the queue's last state."""
    project.run("dvc", "queue", "start")
    end = time.monotonic() + PATIENCE
    while not any(state in (said := project.run("dvc", "queue", "status")) for state in ("Success", "Failed")):
        assert time.monotonic() < end, said
        time.sleep(1)
    return said


def test_a_queued_experiment_runs_the_code_that_was_queued(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    path = project.folder / "src/abstractor/data/demo/corpus.py"
    before = path.read_text(encoding="utf-8")
    head, function, body = before.partition("def write(")
    assert function
    path.write_text(f'{head}print("{WORDS}")\n\n\n{function}{body}', encoding="utf-8")
    project.run("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "demo_corpus.seed=21", "demo_corpus")
    path.write_text(before, encoding="utf-8")

    said = run_queue(project)
    assert WORDS in project.run("dvc", "queue", "logs", "queued")
    assert "Success" in said
    assert WORDS not in project.run("python", "stages/demo_corpus.py"), "the workspace runs its own"


def test_a_corpus_of_ones_own_goes_along_where_it_is_named(
    copy: Callable[[], tiny.Project], heard: faults.Heard
) -> None:
    project = copy()
    heard(project.run("dvc", "exp", "run", "--temp", "-S", "seed=21", "prepare", check=False))

    taken = ("-C", "data/raw", "-S", "seed=21")
    printed = project.run("dvc", "exp", "run", "--temp", "--name", "apart", *taken, "prepare")
    assert "marked: 48 training cases" in printed
    project.run("dvc", "exp", "run", "--queue", "--name", "queued", *taken, "prepare_new")
    assert "Success" in run_queue(project), project.run("dvc", "queue", "logs", "queued")

    copies = project.folder / ".dvc/tmp/exps"
    assert not [path for path in copies.rglob("train_features.csv")], "a copy goes when its experiment has ended"
    for name in ("apart", "queued"):
        commit = project.run("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/**/{name}").strip()
        held = project.run("git", "ls-tree", "-r", "--name-only", commit).splitlines()
        assert "dvc.lock" in held and not [path for path in held if path.startswith("data/raw/")]


def test_a_stage_without_a_python_in_path(copy: Callable[[], tiny.Project], heard: faults.Heard) -> None:
    """DVC was started by its whole path, in a shell where no environment is active."""
    project = copy()
    options = project.options(cold=True)
    options["env"]["PATH"] = str(project.folder / "tiny")
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "demo_corpus"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode
    heard(done.stdout + done.stderr)
