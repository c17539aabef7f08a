"""Fetch a pretrained model to models/backbones/NAME/: python stages/fetch_backbone.py NAME."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Fetch what `backbones.NAME` pins."""
    parser = argparse.ArgumentParser(description="Fetch a pretrained model.")
    parser.add_argument("name", metavar="NAME", help="a key of `backbones` in params.yaml")
    name = parser.parse_args().name

    from abstractor.models.fetch import Backbone, fetch
    from abstractor.runs.inputs import Inputs

    spec = Inputs().get(f"backbones.{name}", Backbone)
    out = Path("models/backbones") / name
    print(f"fetching {out} (source: {spec.source})", flush=True)
    fetch(name, spec, out)


if __name__ == "__main__":
    run_script(main)
