"""Looking up revisions, with a hub that answers from here."""

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pin_backbones
import pytest

TEXT = """\
backbones:
  # A comment that stays.
  open: {source: hub, repo: maker/open, revision: null, allow_hub: true}
  closed: {source: hub, repo: maker/closed, revision: 0123456789012345678901234567890123456789, allow_hub: true}
  packaged: {source: package, package: some-model}
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_open_revisions_are_filled_in_and_nothing_else_changes(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(repo: str, revision: str, timeout: float) -> SimpleNamespace:
        asked.append((repo, revision))
        return SimpleNamespace(sha="f" * 40)

    monkeypatch.setattr(huggingface_hub, "model_info", answer)
    assert pin_backbones.pin(params) == {"open": "f" * 40}
    assert asked == [("maker/open", "main")]
    assert params.read_text(encoding="utf-8") == TEXT.replace("revision: null", f"revision: {'f' * 40}")
    assert pin_backbones.pin(params) == {}


def test_a_hub_out_of_reach_is_said_and_leaves_the_file(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "model_info", refuse)
    with pytest.raises(pin_backbones.PinError, match="maker/open: expected a commit from the hub, found none"):
        pin_backbones.pin(params)
    assert params.read_text(encoding="utf-8") == TEXT
