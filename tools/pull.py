"""Pull what predicting needs, the models of params.yaml and the backbones they stand on: python tools/pull.py."""

import subprocess
import sys
from typing import Any

from abstractor import members
from abstractor.errors import run_script
from abstractor.params import Params

MODELS = ("pin_backbone", "train_sc_1", "train_sc_2", "train_sc_3", "train_ar")


def targets(params: Params) -> list[str]:
    """The stages that make them; a backbone that only a writer uses is none of them."""
    backbones = {params.get(f"models.{name}.backbone", str) for name in members.read(params).names}
    trained = set(params.get("mlm", dict[str, Any]))
    made = [f"pretrain_mlm@{name}" if name in trained else f"fetch_backbone@{name}" for name in sorted(backbones)]
    return [*made, *MODELS]


def main() -> None:
    """Leave the work to `dvc pull`."""
    sys.exit(subprocess.run(["dvc", "pull", *targets(Params())], check=False).returncode)


if __name__ == "__main__":
    run_script(main)
