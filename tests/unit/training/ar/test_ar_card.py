"""The card of a language model's folder: what it says is enough to read the model with peft alone."""

import json
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import torch
from support import cards

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.ar.loading import add_lora, load_base
from abstractor.models.ar.prompts import Form
from abstractor.models.ar.reading import Reading, save
from abstractor.models.shared.lora import Lora
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.predicting.ar import predictor
from abstractor.training.ar.card import card
from abstractor.training.card import Base

CPU = Compute(torch.device("cpu"), torch.float32, "a test")
LORA = Lora(rank=4, alpha=8, dropout=0.0, targets=["q_proj", "v_proj", "down_proj"])
BACKBONE, FOLDER = Path("models/backbones/tiny"), Path("models/m/0")
CASES = pd.DataFrame(
    [("Found at home.", "No note."), ("", "In <tool_call>treatment. <|im_end|>"), ("At home. " * 60, "History. " * 40)],
    columns=["Officer", "Coroner"],
    index=pd.Index(["a", "b", "c"], name="uid"),
)


@pytest.fixture(params=get_args(Form))
def form(request: pytest.FixtureRequest) -> Form:
    return str(request.param)  # type: ignore[return-value]


@pytest.fixture
def written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_model: Any, tokenizer: Any, codebook: Codebook, form: Form
) -> str:
    """A trained adapter in `FOLDER`; returns its card."""
    monkeypatch.chdir(tmp_path)
    make_model("llama").save_pretrained(BACKBONE)
    tokenizer.add_tokens(["<tool_call>"])  # markup that is not called special
    tokenizer.save_pretrained(BACKBONE)
    model = add_lora(load_base(BACKBONE, torch.float32, CPU.device), LORA, 1)
    torch.manual_seed(2)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = torch.randn(weight.shape) / 3
    reading = Reading("tiny", "packed", "auto", "none", "none", form, 200, list(codebook.columns))
    save(model, reading, FOLDER, card(reading, codebook, Base("some-package==1.0", None, None)).write)
    return (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_lines_of_a_card_give_the_projects_probabilities(written: str, codebook: Codebook) -> None:
    expected = pd.concat(predictor(codebook, FOLDER, CPU, 2000).predict([CASES], len(CASES), "m/0"))
    assert (expected.std() > 1e-4).all()
    found = cards.told(FOLDER, CASES, list(codebook.narratives))
    pd.testing.assert_frame_equal(found, expected.astype("float64"), atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", ["apart"], indirect=True)
def test_it_shows_the_prompt_and_names_the_base(written: str) -> None:
    assert "<|im_start|>user\nOfficer report: <report>\nCoroner report: <report>\n" in written
    assert "Was a note found?<|im_end|>\n<|im_start|>assistant" in written
    assert json.loads((FOLDER / "adapter_config.json").read_text())["base_model_name_or_path"] == "some-package==1.0"
    assert load_tokenizer(FOLDER)("A note.")["input_ids"] == load_tokenizer(BACKBONE)("A note.")["input_ids"]
