"""Look up what a parameter file leaves open of hub models: python tools/pin_backbones.py [--params FILE].

The one command that goes online for the hub's sake; it fetches no model. A revision is the full commit that the main
branch has today, written in place of null, so that everybody afterwards fetches the same files. Where that commit has
no safetensors, the sha256 of its pickled weights is written beside it, as the hub lists it.
"""

import argparse
import os
import re
from pathlib import Path
from typing import Any

import commented_yaml

from abstractor.base.errors import UserError
from abstractor.base.params import PARAMS
from abstractor.base.script import run_script
from abstractor.models.convert import PICKLED
from abstractor.runs.integrity import KEPT


class PinError(UserError):
    """The parameter file cannot be read, or the hub does not say what is looked for."""


def pin(params: Path) -> dict[str, str]:
    """Fill in the open revisions of a parameter file or recipe, and the sha256 of pickled weights, all or none.

    Returns:
        Backbone -> its commit, of those of which something was open.

    Raises:
        PinError: there is no such file, or the hub did not answer for a backbone.
    """
    if not params.is_file():
        raise PinError(
            f"{params}: expected a parameter file or a recipe, found none; name one by PARAMS=recipes/lean.yaml"
        )
    content = commented_yaml.read(params)
    found = {}
    for name, spec in content.get("backbones", {}).items():
        # A recipe takes a backbone of the demo out by null.
        hub = spec is not None and spec["source"] == "hub"
        if hub and (spec.get("revision") is None or spec.get("bin_sha256") is None):
            found[name], hashes = _look_up(str(spec["repo"]), spec.get("revision") or "main")
            spec["revision"] = found[name]
            _put_after(spec, "revision", "bin_sha256", hashes)
    if found:
        commented_yaml.write(params, content)
    return found


def _put_after(spec: Any, other: str, key: str, value: Any) -> None:
    """Set a key of a commented mapping; a new one stands below `other`, not behind a comment at the end."""
    if key in spec:
        spec[key] = value
    else:
        spec.insert(list(spec).index(other) + 1, key, value)


def _look_up(repo: str, revision: str) -> tuple[str, dict[str, str]]:
    """The commit of a revision, and the sha256 of its pickled weight files if it has no others."""
    from httpx import HTTPError
    from huggingface_hub import model_info

    try:
        info: Any = model_info(repo, revision=revision, timeout=30, files_metadata=True)
    except (HTTPError, OSError) as error:
        raise PinError(
            f"{repo}: expected a commit from the hub, found none ({type(error).__name__}); run this on a machine that "
            "reaches the hub, with HF_TOKEN where the model is gated, or take `source: folder`"
        ) from None
    files = {file.rfilename: file.lfs for file in info.siblings or []}
    if any(KEPT.fullmatch(name) and name.endswith(".safetensors") for name in files):
        return str(info.sha), {}
    pickled = {name: lfs for name, lfs in sorted(files.items()) if re.fullmatch(PICKLED, name)}
    if not pickled or None in pickled.values():
        raise PinError(
            f"{repo}: expected safetensors, or pytorch_model.bin with a sha256, at {info.sha}, found neither; "
            "name another repository or commit, or take `source: folder`"
        )
    return str(info.sha), {name: lfs.sha256 for name, lfs in pickled.items()}


def main() -> None:
    """Pin the backbones of a parameter file and say what was found."""
    parser = argparse.ArgumentParser(description="Look up what a parameter file leaves open of hub models.")
    parser.add_argument("--params", type=Path, default=PARAMS)
    path = parser.parse_args().params
    os.environ.update(HF_HUB_OFFLINE="0", TRANSFORMERS_OFFLINE="0", HF_HUB_DISABLE_TELEMETRY="1")
    found = pin(path)
    for name, commit in found.items():
        print(f"{name}: {commit}")
    print(f"{path}: {len(found)} backbones pinned" if found else f"{path}: nothing was open")


if __name__ == "__main__":
    run_script(main)
