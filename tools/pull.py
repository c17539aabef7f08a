"""Pull what predicting needs, the models of params.yaml and the backbones they stand on: python tools/pull.py.

python tools/pull.py STAGE ..: what these stages make instead.
"""

import subprocess
import sys

from dvc.repo import Repo
from push import TrustedRemote, remotes

from abstractor.base.members import read as read_members
from abstractor.base.params import Params
from abstractor.base.script import run_script


def targets(params: Params) -> list[str]:
    """Outputs by their paths: no run card, and no backbone that only a writer uses."""
    members = read_members(params)
    backbones = {params.get(f"models.{name}.backbone", str) for name in members.names}
    models = [f"models/{name}/{part}" for name in members.names for part in ("backbone.json", *members.readers)]
    return [*(f"models/backbones/{name}" for name in sorted(backbones)), *models]


def main() -> None:
    """Check the remotes that this comes from, then leave the work to `dvc pull`."""
    params = Params()
    with Repo() as repo:
        remotes(repo, params.get("trusted_remote", TrustedRemote))
    sys.exit(subprocess.run(["dvc", "pull", *(sys.argv[1:] or targets(params))], check=False).returncode)


if __name__ == "__main__":
    run_script(main)
