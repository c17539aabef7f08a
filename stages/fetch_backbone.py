"""Fetch a pretrained model to models/backbones/NAME/: python stages/fetch_backbone.py NAME."""

import argparse
from pathlib import Path

from abstractor.base.params import Params
from abstractor.base.script import run_script
from abstractor.models import fetch


def main() -> None:
    """Fetch what `backbones.NAME` pins."""
    parser = argparse.ArgumentParser(description="Fetch a pretrained model.")
    parser.add_argument("name", metavar="NAME", help="a key of `backbones` in params.yaml")
    name = parser.parse_args().name

    spec = Params().get(f"backbones.{name}", fetch.Backbone)
    out = Path("models/backbones") / name
    print(f"fetching {out} (source: {spec.source})", flush=True)
    fetch.fetch(name, spec, out)


if __name__ == "__main__":
    run_script(main)
