"""One tiny pipeline a session, run once; the tests that change something work on copies of it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

# Tiny tensors gain nothing from a second thread and lose much where another process has the core.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tiny.Project:
    """A project that ran `dvc repro` from nothing and committed the result."""
    return tiny.finish(tmp_path_factory.mktemp("first") / "project")


@pytest.fixture
def copy(finished: tiny.Project, tmp_path: Path) -> Callable[[], tiny.Project]:
    """Makes copies of the finished project, data, cache and all."""

    def make() -> tiny.Project:
        folder = tmp_path / "project"
        shutil.copytree(finished.folder, folder, symlinks=True)
        return tiny.Project(folder, dict(finished.environment))

    return make
