from pathlib import Path

import pytest

from abstractor.files import write_json
from abstractor.pretrained import backbone_folder, check_backbone
from abstractor.runs import RunError
from abstractor.seal import SealError, pin


@pytest.fixture(autouse=True)
def _backbones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, and a model that is pinned to the first."""
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        folder = Path("models/backbones") / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}", encoding="utf-8")
        (folder / "model.safetensors").write_bytes(name.encode())
    write_json(PIN, pin("first", Path("models/backbones/first")))


PIN = Path("models/m/backbone.json")


def test_the_pinned_backbone_passes() -> None:
    check_backbone(PIN)
    check_backbone(PIN, "first")


def test_a_changed_file_is_named() -> None:
    Path("models/backbones/first/model.safetensors").write_bytes(b"other")
    with pytest.raises(SealError, match=r"model\.safetensors changed"):
        check_backbone(PIN)


def test_another_backbone_than_the_one_asked_for_is_refused() -> None:
    with pytest.raises(RunError, match="pins another backbone than second"):
        check_backbone(PIN, "second")


@pytest.mark.parametrize("content", [None, "", "[]", '{"name": "first"}'])
def test_a_missing_or_damaged_pin_is_refused(content: str | None) -> None:
    PIN.unlink()
    if content is not None:
        PIN.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"backbone\.json is missing or damaged"):
        check_backbone(PIN)


def test_a_backbone_that_may_run_code_is_not_given_out() -> None:
    Path("models/backbones/first/modeling.py").write_text("", encoding="utf-8")
    with pytest.raises(SealError, match=r"modeling\.py is no file of a model folder"):
        backbone_folder("first")


def test_a_backbone_that_was_not_fetched_is_named() -> None:
    with pytest.raises(RunError, match="dvc repro fetch_backbone@third"):
        backbone_folder("third")
