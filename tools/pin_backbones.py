"""Look up the hub revisions that a parameter file leaves open: python tools/pin_backbones.py [--params FILE].

The one command that goes online for the hub's sake; it fetches no model. A revision is the full commit that the main
branch has today, written in place of null, so that everybody afterwards fetches the same files.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import commented_yaml

from abstractor.base.errors import UserError
from abstractor.base.params import PARAMS
from abstractor.base.script import run_script


class PinError(UserError):
    """The hub cannot be reached or does not know a repository."""


def pin(params: Path) -> dict[str, str]:
    """Fill in the open revisions of a parameter file, all or none.

    Returns:
        Backbone -> its commit, of those that were open.

    Raises:
        PinError: the hub did not answer for one of them.
    """
    content = commented_yaml.read(params)
    found = {}
    for name, spec in content["backbones"].items():
        if spec.get("source") == "hub" and spec.get("revision") is None:
            found[name] = spec["revision"] = _commit(str(spec["repo"]))
    if found:
        commented_yaml.write(params, content)
    return found


def _commit(repo: str) -> str:
    from httpx import HTTPError
    from huggingface_hub import model_info

    try:
        info: Any = model_info(repo, revision="main", timeout=30)
    except (HTTPError, OSError) as error:
        raise PinError(
            f"{repo}: expected a commit from the hub, found none ({type(error).__name__}); run this on a machine that "
            "reaches the hub, with HF_TOKEN where the model is gated, or take `source: folder`"
        ) from None
    return str(info.sha)


def main() -> None:
    """Pin the backbones of a parameter file and say what was found."""
    parser = argparse.ArgumentParser(description="Look up the hub revisions that a parameter file leaves open.")
    parser.add_argument("--params", type=Path, default=PARAMS)
    path = parser.parse_args().params
    os.environ.update(HF_HUB_OFFLINE="0", TRANSFORMERS_OFFLINE="0", HF_HUB_DISABLE_TELEMETRY="1")
    found = pin(path)
    for name, commit in found.items():
        print(f"{name}: {commit}")
    print(f"{path}: {len(found)} revisions pinned" if found else f"{path}: no revision was open")


if __name__ == "__main__":
    run_script(main)
