"""One tiny pipeline a session, run once; the tests that change something work on copies of it."""

import gc
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

# Of these processes alone; see the Makefile.
sys.path.append(str(Path(__file__).parents[1] / ".venv/test"))

from support import ROOT, faults, tally, tiny  # after the path

from abstractor.base.files import write_json

# Tiny tensors gain nothing from a second thread and lose much where another process has the core.
os.environ["OMP_NUM_THREADS"] = "1"
# For programs that a test starts by themselves; a script finds the library beside it.
os.environ["PYTHONPATH"] = str(ROOT / "src")

pytest_plugins = ["pytester"]
_TALLY = pytest.StashKey[tally.Tally]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `make test-slow` adds."""
    parser.addoption("--thorough", action="store_true", help="reliability tests with all their cases")
    parser.addoption("--tally", type=Path, help="where to write what was tried and what survived")


def pytest_configure(config: pytest.Config) -> None:
    """One tally a test run."""
    if config.getoption("--tally") and config.getoption("numprocesses", None):
        raise pytest.UsageError("expected --tally in one process, found -n; leave out -n: each process counts apart")
    config.stash[_TALLY] = tally.Tally(config.getoption("--thorough"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the tally, of a failed run too: it says what did not survive."""
    if path := session.config.getoption("--tally"):
        write_json(path, session.config.stash[_TALLY].content())


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> None:
    """Each training ends with a garbage collection, which need not look through all that was ever imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back after each test, since `run_script` changes them for good; it also looks where the script lies."""
    monkeypatch.setattr(sys, "argv", ["pytest"])
    for module, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))


@pytest.fixture(scope="session", name="tally")
def _tally(pytestconfig: pytest.Config) -> tally.Tally:
    """The tally of this test run."""
    return pytestconfig.stash[_TALLY]


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


@pytest.fixture
def heard(request: pytest.FixtureRequest) -> faults.Heard:
    """Holds what is printed to docs/start/faults.md."""
    return lambda printed, fault="": faults.check(request.node.originalname, printed, fault)
