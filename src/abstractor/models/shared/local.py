"""Where pretrained models lie, and what peft writes of them, made the same on every machine."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from abstractor.base.files import write_json
from abstractor.base.messages import backbones as messages
from abstractor.runs.integrity import check_safe, verify

BACKBONES = Path("models/backbones")
Complete = Callable[[Path, Path], None]
"""Adds files to a model folder, given where it is being written and where it will lie."""


def backbone_folder(name: str) -> Path:
    """The transformers folder of a backbone.

    Raises:
        RunError: it has not been fetched.
        SealError: loading it might run code.
    """
    folder = BACKBONES / name
    if not (folder / "config.json").is_file():
        raise messages.not_fetched(folder)
    check_safe(folder)
    return folder


def check_backbone(pin: Path, name: str | None = None) -> None:
    """Refuse a backbone that is not the one that a model or a writer was pinned to.

    Args:
        pin: the file that stage pin_backbone or pin_writer wrote.
        name: of the backbone that params.yaml calls for; None: the pinned one.

    Raises:
        RunError: the backbone has not been fetched, or the file is missing or pins another one.
        SealError: a file of the backbone is missing, added or changed.
    """
    try:
        expected = json.loads(pin.read_text(encoding="utf-8"))
        named, _ = expected["name"], expected["files"].items()
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        raise messages.no_pin(pin) from None
    if name is not None and named != name:
        raise messages.another_backbone(pin, name)
    verify(backbone_folder(named), expected)


def tidy_adapter(folder: Path, backbone: str) -> None:
    """Sort what peft writes in hash order, name the backbone instead of this machine's path, drop its model card."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = backbone
    config["revision"] = None
    if not isinstance(config["target_modules"], str):  # unsloth may write them as one regular expression
        config["target_modules"] = sorted(config["target_modules"])
    write_json(path, config)
    (folder / "README.md").unlink(missing_ok=True)


def copy_tokenizer(backbone: str, folder: Path) -> None:
    """Copy a backbone's tokenizer as it is."""
    for path in sorted(backbone_folder(backbone).iterdir()):
        if ".safetensors" not in path.name and path.name not in ("config.json", "generation_config.json"):
            shutil.copyfile(path, folder / path.name)
