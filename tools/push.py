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
    """No remote is trusted, or the trusted one is unknown to DVC."""


def main() -> None:
    """Check that the trusted remote exists, then leave the work to `dvc push`."""
    trusted = Params().get("trusted_remote", TrustedRemote)
    with Repo() as repo:
        known = set(repo.config["remote"])
        repo.drop_data_index()
    if trusted == NONE:
        raise PushError(
            "params.yaml: trusted_remote is none, so that models and predictions go nowhere; name a remote that may "
            "hold them: `dvc remote add --default trusted-NAME URL`, then `trusted_remote: NAME`. What is releasable "
            "goes to any other remote by `dvc push -r REMOTE`"
        )
    if f"trusted-{trusted}" not in known:
        raise PushError(
            f"params.yaml: trusted_remote is {trusted}, but DVC knows no remote trusted-{trusted}; add it by "
            f"`dvc remote add --default trusted-{trusted} URL`, or correct the parameter"
        )
    sys.exit(subprocess.run(["dvc", "push", "--run-cache", *sys.argv[1:]], check=False).returncode)


if __name__ == "__main__":
    run_script(main)
