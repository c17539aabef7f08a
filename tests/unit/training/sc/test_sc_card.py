"""The card of a classifier's folder: what it says is enough to read the model with transformers alone."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from support import cards, hub
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.fetch import fetch
from abstractor.models.sc.forms import FORMS
from abstractor.models.sc.reading import Reading, save
from abstractor.predicting.sc import predictor
from abstractor.training.card import Base
from abstractor.training.sc.card import card
from abstractor.training.sc.settings import ScModel

CPU = Compute(torch.device("cpu"), torch.float32, "a test")
LORA = {"rank": 2, "alpha": 4, "dropout": 0.0, "targets": ["value", "query"]}
FOLDER = Path("models/m/0")
BASE = Base("owner/tiny", "a" * 40, "MIT")


@pytest.fixture
def asked(cases: pd.DataFrame) -> pd.DataFrame:
    """Short and empty narratives, some too long for a row, and one that spells out a mask."""
    more = [("note sad " * 40, "house park"), ("[MASK] sad [SEP]", "no note"), ("note " * 30, "sad no " * 40)]
    uids = pd.Index(["d0", "d1", "d2"], name="uid")
    return pd.concat([cases[:4], pd.DataFrame(more, columns=cases.columns, index=uids)])


def written(settings: dict[str, Any], codebook: Codebook, form: str, **changes: Any) -> None:
    """A model whose every weight was changed, as training changes them, in `FOLDER`."""
    params = ScModel(**settings | changes)
    torch.manual_seed(1)
    model = FORMS[form].build(params, codebook).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.5 * torch.randn_like(weight))
    reading = Reading.of(params, form, codebook)
    save(model, reading, FOLDER, card(reading, codebook, BASE, model).write)


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("concatenated", {}),
        ("concatenated", {"lora": LORA, "pooling": "first"}),
        ("concatenated", {"backbone": "decoder", "pooling": "last"}),
        ("concatenated", {"lora": LORA, "pooling": "labels"}),
        ("apart", {}),
        ("apart", {"pooling": "labels"}),
        ("masked", {"max_tokens": 48}),
        ("masked", {"max_tokens": 48, "lora": LORA}),
    ],
)
def test_the_lines_of_a_card_give_the_projects_probabilities(
    project: Path, settings: dict[str, Any], codebook: Codebook, asked: pd.DataFrame, form: str, changes: dict[str, Any]
) -> None:
    written(settings, codebook, form, **changes)
    expected = pd.concat(predictor(codebook, FOLDER, CPU, 200).predict([asked], len(asked), "m/0"))
    assert (expected.std() > 1e-4).all()
    found = cards.told(FOLDER, asked, list(codebook.narratives))
    pd.testing.assert_frame_equal(found, expected.astype("float64"), atol=1e-5, rtol=0)


def test_a_card_names_the_cases_that_a_model_learned_from(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    reading = Reading.of(params := ScModel(**settings), "concatenated", codebook)
    described = card(reading, codebook, BASE, FORMS["concatenated"].build(params, codebook))
    fold, everything = (described.text(Path(f"models/m/{name}")) for name in ("0", "all"))
    assert "on the cases outside of fold 0." in fold and "those of the cases of fold 0, which it never saw" in fold
    assert "on all coded cases." in everything and "none of its own" in everything and "fold all" not in everything


@pytest.mark.parametrize("lora", [None, LORA | {"targets": ["query_proj", "value_proj"]}], ids=["full", "lora"])
def test_the_tokenizer_of_a_hubs_deberta_loads_beside_what_is_trained(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    asked: pd.DataFrame,
    lora: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The repository has a sentencepiece vocabulary alone, and an adapter's folder no config that names its class."""
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub.snapshot_download)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # `fetch` changes it
    fetch("deberta", hub.published("microsoft/deberta-v3-large"), project / "models/backbones/deberta")
    written(settings, codebook, "concatenated", backbone="deberta", max_tokens=64, lora=lora)
    expected = pd.concat(predictor(codebook, FOLDER, CPU, 200).predict([asked], len(asked), "m/0"))
    assert (expected.std() > 1e-4).all()
    found = cards.told(FOLDER, asked, list(codebook.narratives))
    pd.testing.assert_frame_equal(found, expected.astype("float64"), atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", ["concatenated", "masked"])
def test_plain_classes_refuse_a_folder_instead_of_making_up_a_head(
    project: Path, settings: dict[str, Any], codebook: Codebook, form: str
) -> None:
    written(settings, codebook, form, max_tokens=48)
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        AutoModelForSequenceClassification.from_pretrained(FOLDER)
    with pytest.raises(ValueError, match="Could not load model"):
        pipeline("text-classification", str(FOLDER))


@pytest.mark.parametrize("lora", [None, LORA])
def test_the_tokenizer_and_the_bases_published_name_lie_beside_the_weights(
    project: Path, settings: dict[str, Any], codebook: Codebook, lora: Any
) -> None:
    written(settings, codebook, "apart", lora=lora)
    text = "note [MASK] sad house"
    known = AutoTokenizer.from_pretrained("models/backbones/tiny")
    assert AutoTokenizer.from_pretrained(FOLDER)(text)["input_ids"] == known(text)["input_ids"]
    said = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"`{BASE.name}` at {BASE.revision}" in said and f"trained from it: {BASE.licence}." in said
    assert all(f"{number}. `{name}`" in said for number, name in enumerate(codebook.columns, 1))
    if lora:
        config = (FOLDER / "adapter_config.json").read_text(encoding="utf-8")
        assert f'"base_model_name_or_path": "{BASE.name}"' in config and f'"revision": "{BASE.revision}"' in config


def test_a_folder_has_the_same_bytes_again(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    def made() -> dict[str, bytes]:
        written(settings, codebook, "apart", lora=LORA)
        return {path.name: path.read_bytes() for path in FOLDER.iterdir()}

    first = made()
    assert made() == first
    assert not any(str(project).encode() in content for content in first.values())
