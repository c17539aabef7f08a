"""Where pretrained models lie, and what peft writes of them, made the same on every machine."""

import json
from pathlib import Path

from abstractor.files import write_json
from abstractor.runs import RunError

BACKBONES = Path("models/backbones")


def backbone_folder(name: str) -> Path:
    """The transformers folder of a backbone.

    Raises:
        RunError: it has not been fetched.
    """
    folder = BACKBONES / name
    if not (folder / "config.json").is_file():
        raise RunError(f"{folder} is missing; make it with `dvc repro fetch_backbone@{name}` or `dvc pull {folder}`")
    return folder


def tidy_adapter(folder: Path, backbone: str) -> None:
    """Sort what peft writes in hash order, name the backbone instead of this machine's path, drop its model card."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = backbone
    config["revision"] = None
    config["target_modules"] = sorted(config["target_modules"])
    write_json(path, config)
    (folder / "README.md").unlink(missing_ok=True)
