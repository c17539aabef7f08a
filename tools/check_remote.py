"""Hash all that the trusted and the default DVC remote hold, remove what is not whole: python tools/check_remote.py.

A push asks the remote for names only, and takes a folder for complete once its list of files is there: what was cut
short or lost is never sent anew. So a file goes that is not what its name says, and with it every list that names it;
the next `dvc push` on a machine that has them sends both. Run it while nobody pushes: a file on its way is not whole.
"""

from dvc.repo import Repo
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.state import StateNoop
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError
from push import TrustedRemote, remotes

from abstractor.base.errors import UserError
from abstractor.base.params import Params
from abstractor.base.script import run_script


class RemoteError(UserError):
    """Something on the remote was cut short, overwritten or lost, or there is no remote."""


def check(repo: Repo, name: str) -> int:
    """Hash every file of a remote.

    Returns:
        How many there are, lists of folders included.

    Raises:
        RemoteError: some were not whole, or folders not complete; they are removed now.
    """
    remote = repo.cloud.get_remote_odb(name, command="check-remote")
    remote.state = StateNoop()  # hashes of earlier times say nothing of a disk that went bad since
    names, whole = list(remote.all()), set()
    for name in names:
        try:
            HashFileDB.check(remote, name)  # removes what it refuses; a folder's own check trusts what is read-only
            whole.add(name)
        except ObjectFormatError:
            continue
    incomplete = [
        name
        for name in whole
        if name.endswith(".dir")
        and any(file.value not in whole for _, _, file in Tree.load(remote, HashInfo(remote.hash_name, name)))
    ]
    for name in incomplete:
        remote.delete(name)
    if len(whole) < len(names) or incomplete:
        raise RemoteError(
            f"{remote.fs.unstrip_protocol(remote.path)}: expected {len(names)} whole files, removed "
            f"{len(names) - len(whole)} that are not and the lists of {len(incomplete)} folders that lack files; "
            "run `dvc push` on the machines that have them"
        )
    return len(names)


def main() -> None:
    """Check the remotes of the project in the working directory."""
    trusted = Params().get("trusted_remote", TrustedRemote)
    with Repo() as repo:
        if not (known := remotes(repo, trusted)):
            raise RemoteError("expected a remote, found none; `make remote URL=..` adds one")
        for name in known:
            print(f"{name}: {check(repo, name)} files, all whole")


if __name__ == "__main__":
    run_script(main)
