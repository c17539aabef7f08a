"""Hash all that the DVC remote holds and remove what is not what its name says: python tools/check_remote.py.

A push asks the remote for names only, and not even for those in folders that it remembers to have sent: what was cut
short or lost would never be sent anew. What this removes it forgets as well, and the next `dvc push` on a machine that
has the files sends them. Run it while nobody pushes: the file that a push is writing is not whole either.
"""

from dvc.repo import Repo
from dvc_data.hashfile.db import get_index
from dvc_objects.errors import ObjectFormatError

from abstractor.errors import UserError, run_script


class RemoteError(UserError):
    """Something on the remote was cut short or overwritten."""


def check(repo: Repo) -> int:
    """Hash every object of the default remote.

    Returns:
        How many there are.

    Raises:
        RemoteError: some were not whole; they are removed now.
    """
    objects = repo.cloud.get_remote_odb(command="check-remote")
    names, removed = list(objects.all()), 0
    for name in names:
        try:
            objects.check(name)
        except ObjectFormatError:
            removed += 1
    get_index(objects).clear()
    if removed:
        raise RemoteError(
            f"{objects.fs.unstrip_protocol(objects.path)}: expected {len(names)} whole files, found {removed} that are "
            "not and removed them; run `dvc push` on the machines that made them"
        )
    return len(names)


def main() -> None:
    """Check the remote of the project in the working directory."""
    with Repo() as repo:
        print(f"{check(repo)} files, all whole")


if __name__ == "__main__":
    run_script(main)
