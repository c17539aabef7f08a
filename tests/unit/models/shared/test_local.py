"""Where backbones lie, and which of them may be used."""

import json
from pathlib import Path

import pytest

from abstractor.base.errors import RunError
from abstractor.base.files import write_json
from abstractor.models.shared.local import backbone_folder, check_backbone
from abstractor.runs.integrity import SealError, pin


@pytest.fixture
def backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of backbone `tiny` below the working directory, pinned for model `m`."""
    monkeypatch.chdir(tmp_path)
    folder = Path("models/backbones/tiny")
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}", encoding="utf-8")
    write_json(Path("models/m/backbone.json"), pin("tiny", folder))
    return folder


def test_a_backbone_that_was_not_fetched_says_how_to_get_it(backbone: Path) -> None:
    assert backbone_folder("tiny") == backbone
    with pytest.raises(RunError, match=r"models/backbones/other is missing; .*fetch_backbone@other"):
        backbone_folder("other")


def test_a_backbone_that_may_run_code_is_not_loaded(backbone: Path) -> None:
    (backbone / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(SealError, match=r"pytorch_model\.bin is no file of a model folder"):
        backbone_folder("tiny")
    (backbone / "pytorch_model.bin").unlink()
    (backbone / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "a.B"}}), encoding="utf-8")
    with pytest.raises(SealError, match="auto_map asks for code"):
        backbone_folder("tiny")


def test_a_backbone_is_the_pinned_one_to_the_byte(backbone: Path) -> None:
    check_backbone(Path("models/m/backbone.json"), "tiny")
    with pytest.raises(RunError, match="pins another backbone than other"):
        check_backbone(Path("models/m/backbone.json"), "other")
    (backbone / "model.safetensors").write_text("[]", encoding="utf-8")
    with pytest.raises(SealError, match=r"tiny: model\.safetensors changed"):
        check_backbone(Path("models/m/backbone.json"))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"name": "tiny"}', '{"name": "tiny", "files": 1}'])
def test_a_missing_or_damaged_pin_says_how_to_get_it(content: str | None, backbone: Path) -> None:
    path = Path("models/m/backbone.json")
    path.unlink()
    if content:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"backbone\.json is missing or damaged; .*dvc checkout --force"):
        check_backbone(path)
