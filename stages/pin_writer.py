"""Write the hashes of a writer's backbone, file by file: python stages/pin_writer.py WRITER.

Writing depends on models/writers/WRITER.json, so that a new backbone rewrites only the texts of its own writers.
"""

import argparse
from pathlib import Path

from abstractor.base.files import write_json
from abstractor.base.params import Params
from abstractor.base.script import run_script
from abstractor.runs.integrity import pin


def main() -> None:
    """Pin the folder that `writers.WRITER.backbone` names."""
    parser = argparse.ArgumentParser(description="Write the hashes of a writer's backbone.")
    parser.add_argument("writer", metavar="WRITER", help="a key of `writers` in params.yaml")
    writer = parser.parse_args().writer

    name = Params().get(f"writers.{writer}.backbone", str)
    write_json(Path("models/writers") / f"{writer}.json", pin(name, Path("models/backbones") / name))


if __name__ == "__main__":
    run_script(main)
