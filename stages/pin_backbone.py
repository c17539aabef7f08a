"""Write the hashes of a model's backbone, file by file: python stages/pin_backbone.py MODEL.

Training depends on models/MODEL/backbone.json, so that a new backbone retrains only the models built on it.
"""

import argparse
from pathlib import Path

from abstractor.base.files import write_json
from abstractor.base.params import Params
from abstractor.base.script import run_script
from abstractor.runs.integrity import pin


def main() -> None:
    """Pin the folder that `models.MODEL.backbone` names."""
    parser = argparse.ArgumentParser(description="Write the hashes of a model's backbone.")
    parser.add_argument("model", metavar="MODEL", help="a key of `models` in params.yaml")
    model = parser.parse_args().model

    name = Params().get(f"models.{model}.backbone", str)
    write_json(Path("models") / model / "backbone.json", pin(name, Path("models/backbones") / name))


if __name__ == "__main__":
    run_script(main)
