"""Commands of tiny projects without the seconds that they spend importing: forks of a process that has imported.

`folder` stands first on the PATH of a tiny project and holds a `python` and a `dvc` (client.py) that have the server
(server.py) fork and run the command: with the client's arguments, folder, environment, umask and streams. What it is
not, is a process of the caller's group: to kill a group, use the interpreter itself.
"""

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from unittest import mock

HASH_SEED = "1"
"""Of the server; commands under another one get an interpreter of their own."""


def folder() -> Path:
    """The folder to stand first on PATH; its server lives as long as this process."""
    return _started()[0]


@cache
def _started() -> tuple[Path, subprocess.Popen[str]]:
    place = Path(tempfile.mkdtemp(prefix="warm-"))
    client = Path(__file__).with_name("client.py").read_text(encoding="utf-8")
    for name in ("python", "dvc"):
        (place / name).write_text(f"#!{sys.executable} -IS\n{client}", encoding="utf-8")
        (place / name).chmod(0o700)
    command = [sys.executable, str(Path(__file__).with_name("server.py")), str(place / HASH_SEED)]
    server = subprocess.Popen(
        command,
        cwd=place,
        env=_environment(place),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout and server.stdout.readline() == "ready\n", "the server did not start; see its complaint above"
    return place, server


def _environment(place: Path) -> dict[str, str]:
    """What libraries read when they are imported is as the stages have it."""
    from abstractor.machine.compute import go_offline

    own = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(place), "TMPDIR": str(place)}
    with mock.patch.dict(os.environ, own | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": HASH_SEED}, clear=True):
        go_offline()
        os.environ["HF_HOME"] = "data/.cache"  # in the folder of whoever uses it
        return dict(os.environ)
