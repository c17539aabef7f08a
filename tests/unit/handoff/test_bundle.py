"""A bundle is checked before it predicts."""

import hashlib
import json
from pathlib import Path

import pytest

from abstractor.base.messages.handoff import BundleError
from abstractor.handoff import bundle
from abstractor.handoff.bundle import verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of two files."""
    content = {"params.yaml": b"seed: 1\n", "models/m/0/adapter_model.safetensors": b"weights"}
    for name, text in content.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text)
    listed = {name: hashlib.sha256(text).hexdigest() for name, text in content.items()}
    (tmp_path / bundle.MANIFEST).write_text(json.dumps(listed), encoding="utf-8")
    return tmp_path


def test_a_whole_bundle_passes_with_what_its_user_adds(folder: Path) -> None:
    for added in ("data/test_features.csv", "data/codebooks/other.yaml", ".venv/lib/module.py", "submission.csv"):
        (folder / added).parent.mkdir(parents=True, exist_ok=True)
        (folder / added).touch()
    verify(folder)


@pytest.mark.parametrize("name", ["params.yaml", "models/m/0/adapter_model.safetensors"])
def test_a_changed_or_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(BundleError, match=rf"{name} is not what the bundle held"):
        verify(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        verify(folder)


@pytest.mark.parametrize("name", ["models/m/0/adapter_model.bin", "src/torch.py", "codebooks/other.yaml"])
def test_a_strange_file_where_the_bundle_has_its_own_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    with pytest.raises(BundleError, match=rf"{name} is not of this bundle"):
        verify(folder)


@pytest.mark.parametrize("text", [None, "", "[]", '{"params.yaml": 1}', "{", '"x"'])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str | None) -> None:
    (folder / bundle.MANIFEST).unlink()
    if text is not None:
        (folder / bundle.MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=r"manifest\.json is missing or damaged"):
        verify(folder)
