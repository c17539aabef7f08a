"""A fork of the warm interpreter does what an interpreter of its own would do, or leaves the command to one.

That the whole pipeline writes the same bytes either way is seen where two clones are compared.
"""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from support import sealed, tiny, warm

pytestmark = pytest.mark.stage

IS_WARM = "import sys; print('torch' in sys.modules)"
"""Tells that the libraries were there before anything was imported."""
FACTS = """
import os, pprint, socket, sys, tempfile
os.umask(umask := os.umask(0))
facts = dict(os.environ, PATH=None), sys.argv, sys.path, sys.executable, os.getcwd(), umask, hash("case"), __name__
pprint.pprint([*facts, globals().get("__file__"), tempfile.gettempdir(), sys.stdin.read(), sys.stdout.encoding])
print(sys.modules["__main__"].__dict__ is globals(), file=sys.stderr)
"""
ENDS = {
    "at its end": "print('done')",
    "with a code": "import sys; sys.exit(3)",
    "with words": "import sys; sys.exit('words')",
    "with nothing": "import sys; sys.exit()",
    "without delay": "import os; os._exit(5)",
    "by an exception": "raise KeyError",
    "by a hook": "import sys\nsys.excepthook = lambda *_: print('hooked')\nraise KeyError",
    "by a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "with a last word": "import atexit; atexit.register(print, 'last')",
    "after a thread": "import threading; threading.Timer(0.1, print, ['last']).start()",
}


@pytest.fixture
def project(tmp_path: Path) -> tiny.Project:
    """An empty folder."""
    (tmp_path / "project").mkdir()
    return tiny.Project(tmp_path / "project", {"PYTHONHASHSEED": warm.HASH_SEED})


def outcome(project: tiny.Project, cold: bool, *command: str) -> tuple[int, str, str]:
    """Exit code and both streams; of complaints the last line, since a fork's traceback begins in the server."""
    done = subprocess.run(command, capture_output=True, text=True, input="given", **project.options(cold))
    return done.returncode, done.stdout, "".join(done.stderr.splitlines()[-1:])


def test_a_command_finds_the_same_surroundings(project: tiny.Project) -> None:
    scripts = project.folder / "scripts"
    scripts.mkdir()
    (scripts / "real.py").write_text(FACTS, encoding="utf-8")
    (scripts / "link.py").symlink_to("real.py")
    project.environment |= {"PYTHONPATH": str(project.folder / "modules"), "WORD": "said"}
    project.umask = 0o027
    for command in (["-c", FACTS, "-v"], ["scripts/real.py", "a", "-b"], [str(scripts / "link.py")]):
        assert outcome(project, False, "python", *command) == outcome(project, True, "python", *command)
    assert outcome(project, False, "python", "-c", IS_WARM)[1] == "True\n"


@pytest.mark.parametrize("end", ENDS)
def test_a_command_ends_as_it_would(project: tiny.Project, end: str) -> None:
    assert outcome(project, False, "python", "-c", ENDS[end]) == outcome(project, True, "python", "-c", ENDS[end])


def test_dvc_is_the_same_program(project: tiny.Project) -> None:
    for command in (["--version"], ["status"], ["no-such-command"]):
        assert outcome(project, False, "dvc", *command) == outcome(project, True, "dvc", *command)


@pytest.mark.parametrize("variable", ["PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"])
def test_what_only_an_interpreters_start_can_heed_gets_one(project: tiny.Project, variable: str) -> None:
    project.environment[variable] = "2"
    assert project.run("python", "-c", IS_WARM) == "False\n"


def test_so_does_an_option_or_another_namespace(project: tiny.Project, tmp_path: Path) -> None:
    assert project.run("python", "-I", "-c", IS_WARM) == "False\n"
    if sealed.is_possible(tmp_path / "carried"):
        assert project.run(*sealed.command(tmp_path / "carried", "python", "-c", IS_WARM)) == "False\n"


def test_two_forks_draw_other_numbers(project: tiny.Project) -> None:
    draw = ("python", "-c", "import random, numpy; print(random.random(), numpy.random.rand())")
    first, second = (project.run(*draw).split() for _ in range(2))
    assert first[0] != second[0] and first[1] != second[1]


def test_a_fork_is_watched(project: tiny.Project) -> None:
    project.run("python", "-c", "import socket; socket.getaddrinfo('localhost', 9)")
    assert len(project.network) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_the_fork_too(project: tiny.Project, number: signal.Signals) -> None:
    started = project.folder / "started"
    program = f"import os, time; open('{started}.partial', 'w').write(str(os.getpid()))\n"
    program += f"os.rename('{started}.partial', '{started}'); time.sleep(600)"
    client = subprocess.Popen(["python", "-c", program], stderr=subprocess.DEVNULL, **project.options())
    while not started.exists():
        time.sleep(0.01)
    fork = psutil.Process(int(started.read_text(encoding="utf-8")))
    assert fork.pid != client.pid
    client.send_signal(number)
    assert client.wait(30) == -number
    psutil.wait_procs([fork], timeout=30)
    assert not fork.is_running()
