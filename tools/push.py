"""Push what may leave this machine, confidential outputs to the remote that params.yaml trusts.

python tools/push.py [STAGE ..]: what these stages make, or everything.

`dvc push` alone sends each output to the same places; this refuses in words, sends the run cache too, and makes DVC
forget which outputs belonged to a remote when it was last asked (it does not notice that `trusted_remote` changed).
"""

import subprocess
import sys
from typing import Annotated

from dvc.repo import Repo
from pydantic import Field

from abstractor.base.errors import UserError
from abstractor.base.params import Params
from abstractor.base.script import run_script

TrustedRemote = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
"""Names the DVC remote trusted-<this>."""
NONE = "none"


class PushError(UserError):
    """No remote is trusted, or the trusted one is unknown to DVC or would keep what is half copied."""


def remotes(repo: Repo, trusted: str) -> list[str]:
    """The trusted and the default remote, those of them that DVC knows, before anything goes there or comes from there.

    Raises:
        PushError: one was added without what `make remote` sets: DVC would not hash what it fetched from there.
    """
    wanted = {repo.config["core"].get("remote"), f"trusted-{trusted}"} - {f"trusted-{NONE}"}
    known = sorted(wanted & set(repo.config["remote"]))
    for name in known:
        if not repo.config["remote"][name].get("verify"):
            raise PushError(
                f"remote {name}: expected verify to be true, found it off: DVC would keep a half-copied file, whose "
                f"transfer broke off, and call it up to date; run `dvc remote modify {name} verify true`"
            )
    return known


def main() -> None:
    """Check that the trusted remote exists, then leave the work to `dvc push`."""
    trusted = Params().get("trusted_remote", TrustedRemote)
    if trusted == NONE:
        raise PushError(
            "params.yaml: trusted_remote is none, so that models and predictions go nowhere; name a remote that may "
            "hold them: `make remote URL=..`, then `trusted_remote: store`. What is releasable goes to any other by "
            "`dvc push -r REMOTE`"
        )
    with Repo() as repo:
        repo.drop_data_index()
        if (name := f"trusted-{trusted}") not in repo.config["remote"]:
            raise PushError(
                f"params.yaml: trusted_remote is {trusted}, but DVC knows no remote {name}; add it by `dvc remote add "
                f"--default {name} URL` and `dvc remote modify {name} verify true`, or correct the parameter"
            )
        remotes(repo, trusted)
    sys.exit(subprocess.run(["dvc", "push", "--run-cache", *sys.argv[1:]], check=False).returncode)


if __name__ == "__main__":
    run_script(main)
