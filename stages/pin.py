"""Write the hashes and the published name of a backbone: python stages/pin.py models|writers NAME.

What is trained or written depends on this small file, so that a new backbone reruns only what is built on it.
"""

import argparse
from pathlib import Path

from abstractor.base.script import run_script

OUT = {"models": "models/{}/backbone.json", "writers": "models/writers/{}.json"}


def main() -> None:
    """Pin the folder that `models.NAME.backbone` or `writers.NAME.backbone` names."""
    parser = argparse.ArgumentParser(description="Write the hashes of a backbone.")
    parser.add_argument("section", choices=tuple(OUT))
    parser.add_argument("name", metavar="NAME", help="a key of the section in params.yaml")
    arguments = parser.parse_args()

    from abstractor.base.files import write_json
    from abstractor.models.fetch import Backbone
    from abstractor.runs.inputs import Inputs
    from abstractor.runs.integrity import pin

    inputs = Inputs()
    backbone = inputs.get(f"{arguments.section}.{arguments.name}.backbone", str)
    folder = inputs.file("models/backbones") / backbone
    spec = inputs.get("backbones", dict[str, Backbone]).get(backbone)  # none of one that was pretrained here
    source = {"source": spec and spec.published}
    write_json(Path(OUT[arguments.section].format(arguments.name)), pin(backbone, folder) | source)


if __name__ == "__main__":
    run_script(main)
