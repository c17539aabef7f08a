"""A small codebook and a random BERT with a word-level tokenizer, fetched where the library looks for backbones."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.training.sc.settings import ScModel

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "1", "2", ":", "report", "note", "no", "sad", "house", "park"]
WORDS += ["[MASK]", "yes", "A", "B", "C", "place", "mood", ";", "street"]


@pytest.fixture(scope="session")
def codebook() -> Codebook:
    binary = {0: "no", 1: "yes"}
    return Codebook(
        dataset="small",
        unit="one death",
        narratives={"Officer": "officer report", "Coroner": "coroner report"},
        variables=(
            Variable("Note", "binary", "A note.", "Note?", binary, None),
            Variable("Place", "categorical", "Where.", "Where?", {3: "house", 1: "street", 7: "park"}, None),
            Variable("Mood", "binary", "Mood.", "Sad?", binary, None),
        ),
    )


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two backbones: `tiny` (BERT) and `decoder` (Llama)."""
    folder = tmp_path_factory.mktemp("backbones")
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special["mask_token"] = "[MASK]"
    fast = PreTrainedTokenizerFast(tokenizer_object=raw, **special)
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 2, "max_position_embeddings": 64}
    for name, model in (("tiny", BertModel(BertConfig(**shape))), ("decoder", LlamaModel(LlamaConfig(**shape)))):
        model.save_pretrained(folder / name)
        fast.save_pretrained(folder / name)
    return folder


@pytest.fixture
def project(backbones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with copies of the backbones."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(backbones, tmp_path / "models/backbones")
    return tmp_path


@pytest.fixture
def settings() -> dict[str, Any]:
    """Parameters of a model on the tiny BERT; tests change what they are about."""
    return {
        "backbone": "tiny",
        "seed": 0,
        "max_tokens": 32,
        "pooling": "mean",
        "head_dropout": 0.1,
        "head_samples": 1,
        "lora": None,
        "rdrop_form": "kl",
        "binary_weight": 1.0,
        "categorical_weight": 1.0,
        "lovasz_weight": 0.0,
        "focal": 0.0,
        "label_smoothing": 0.0,
        "learns": {"labels": "coded", "rewrites": "none", "made": "none"},
        "swap": 0.0,
        "rewrite": 0.0,
        "made_ratio": 0.0,
        "made_epochs": None,
        "epochs": 2,
        "least_steps": 0,
        "batch_size": 4,
        "micro_tokens": 64,
        "pool": 1,
        "learning_rate": 1e-3,
        "head_learning_rate": 1e-2,
        "layer_decay": 1.0,
        "frozen_layers": None,
        "warmup": 0.1,
        "weight_decay": 0.0,
        "clip": 1.0,
        "ema": 0.0,
        "dropout_from": 0.0,
        "early_stopping": 0,
        "gradient_checkpointing": False,
        "optimizer": "adamw",
        "restarts": 0,
    }


@pytest.fixture
def params(settings: dict[str, Any]) -> ScModel:
    return ScModel(**settings)


@pytest.fixture
def cases() -> pd.DataFrame:
    """Twelve cases whose words give their codes away; some narratives are empty."""
    texts = [("note sad", "house"), ("no note", "park"), ("sad", ""), ("", "house note")] * 3
    uids = pd.Index([f"c{number:02}" for number in range(12)], name="uid")
    return pd.DataFrame(texts, index=uids, columns=["Officer", "Coroner"])


@pytest.fixture
def labels(cases: pd.DataFrame) -> pd.DataFrame:
    codes = [(1, 3, 1), (0, 7, 0), (0, -1, 1), (1, 3, -1)] * 3
    return pd.DataFrame(codes, index=cases.index, columns=["Note", "Place", "Mood"], dtype="int16")
