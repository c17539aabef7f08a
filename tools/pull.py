"""Pull what predicting needs, the models of params.yaml and the backbones they stand on: python tools/pull.py."""

import subprocess
import sys

from abstractor.base.members import read as read_members
from abstractor.base.params import Params
from abstractor.base.script import run_script


def targets(params: Params) -> list[str]:
    """Outputs by their paths: no run card, and no backbone that only a writer uses."""
    members = read_members(params)
    backbones = {params.get(f"models.{name}.backbone", str) for name in members.names}
    models = [f"models/{name}/{part}" for name in members.names for part in ("backbone.json", *members.folds)]
    return [*(f"models/backbones/{name}" for name in sorted(backbones)), *models]


def main() -> None:
    """Leave the work to `dvc pull`."""
    sys.exit(subprocess.run(["dvc", "pull", *targets(Params())], check=False).returncode)


if __name__ == "__main__":
    run_script(main)
