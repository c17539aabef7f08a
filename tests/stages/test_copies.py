"""A copy of the project runs its own library: what DVC queues is recorded as the code that was queued."""

import time
from collections.abc import Callable

import pytest
from support import tiny

pytestmark = pytest.mark.stage

WORDS = "the queued code runs"
PATIENCE = 180
"""Seconds for DVC's worker to start and to end."""


def test_a_queued_experiment_runs_the_code_that_was_queued(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    path = project.folder / "src/abstractor/data/demo/corpus.py"
    before = path.read_text(encoding="utf-8")
    head, function, body = before.partition("def write(")
    assert function
    path.write_text(f'{head}print("{WORDS}")\n\n\n{function}{body}', encoding="utf-8")
    project.run("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "demo_corpus.seed=21", "demo_corpus")
    path.write_text(before, encoding="utf-8")

    project.run("dvc", "queue", "start")
    end = time.monotonic() + PATIENCE
    while not any(state in (said := project.run("dvc", "queue", "status")) for state in ("Success", "Failed")):
        assert time.monotonic() < end, said
        time.sleep(1)
    assert WORDS in project.run("dvc", "queue", "logs", "queued")
    assert "Success" in said
    assert WORDS not in project.run("python", "stages/demo_corpus.py"), "the workspace runs its own"
