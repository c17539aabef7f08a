"""Put right what DVC left half-written when it was killed, before it runs again: python tools/mend.py.

DVC 3.67 writes dvc.lock and its list of running commands in place. Cut off, the list stops every later command; of
dvc.lock, the stages that are whole are kept: `dvc repro` takes the others from its run cache, without running them.
While another DVC runs, nothing is touched; what is broken in another way (a merge with conflicts) is refused.
"""

import json
import re
from pathlib import Path

from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from abstractor.base.errors import UserError
from abstractor.base.files import replaced
from abstractor.base.script import run_script

LOCK, RUNNING = Path("dvc.lock"), Path(".dvc/tmp/rwlock")
CONFLICT = re.compile(r"^(<<<<<<<|=======|>>>>>>>)", re.MULTILINE)
"""What git leaves in a file of which two sides changed the same lines."""


class MendError(UserError):
    """dvc.lock is broken, but not by a kill."""


def main() -> None:
    """Mend both files."""
    with Repo() as repo:
        try:
            with repo.lock:
                mend_running()
                mend_lock(repo)
        except LockError:
            print("another DVC is running; nothing was looked at")


def mend_running() -> None:
    """Remove the list of running commands if it is none; DVC makes a new one."""
    try:
        json.loads(RUNNING.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        RUNNING.unlink()
        print(f"removed {RUNNING}, which a killed DVC had left half-written")


def mend_lock(repo: Repo) -> None:
    """Cut dvc.lock back to the stages that are whole: all but the last one, where the writing broke off.

    Raises:
        MendError: it has conflicts, or is broken before its end too; it is as it was.
    """
    if not LOCK.is_file() or is_whole(repo):
        return
    before = LOCK.read_bytes()
    text = before.decode("utf-8", errors="replace")
    names = [match.start() for match in re.finditer(r"^  \S", text, re.MULTILINE)]
    if not CONFLICT.search(text):
        with replaced(LOCK) as partial:
            partial.write_text(text[: names[-1]] if len(names) > 1 else "schema: '2.0'\nstages: {}\n", encoding="utf-8")
        if is_whole(repo):
            print(f"cut {LOCK} back by a stage that a killed DVC had left half-written")
            return
        with replaced(LOCK) as partial:
            partial.write_bytes(before)
    raise MendError(
        f"{LOCK}: expected what DVC wrote, whole or cut off at its end, found conflicts of a merge or other damage; "
        f"take one side whole (`git checkout --ours {LOCK}`, or --theirs) or a commit's (`git checkout HEAD {LOCK}`): "
        "`dvc repro` brings what that one lacks back from the run cache"
    )


def is_whole(repo: Repo) -> bool:
    """Whether DVC can read dvc.lock."""
    try:
        Lockfile(repo, str(LOCK)).load()
    except DvcException:
        return False
    return True


if __name__ == "__main__":
    run_script(main)
