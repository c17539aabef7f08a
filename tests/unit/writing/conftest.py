"""A codebook of two reports, a byte-level tokenizer with a chat template, and a random Llama, as a backbone folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.writing.engine.settings import Writer

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def codebook() -> Codebook:
    note = Variable("Note", "binary", "A note.", "Was a note found?", {0: "no", 1: "yes"}, None)
    reports = {"Officer": "officer report", "Coroner": "coroner report"}
    return Codebook(dataset="small", unit="one death", narratives=reports, variables=(note,))


@pytest.fixture
def tokenizer() -> Any:
    """One token a byte; the end of a text is not the end of a turn."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({token: n for n, token in enumerate([*SPECIAL, *alphabet])}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(SPECIAL)
    fast = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|endoftext|>")
    fast.chat_template = CHATML
    return fast


@pytest.fixture
def backbone(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a backbone in the working directory."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16}
    shape |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 3000}
    config = LlamaConfig(**shape, initializer_range=0.5, bos_token_id=None, eos_token_id=0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "models/backbones/tiny")
    tokenizer.save_pretrained(tmp_path / "models/backbones/tiny")
    monkeypatch.chdir(tmp_path)
    return "tiny"


@pytest.fixture
def writer() -> Writer:
    return Writer(
        backbone="tiny",
        seed=0,
        engine="transformers",
        style="examples",
        temperature=1.0,
        top_p=0.9,
        batch_size=2,
        max_new_tokens=16,
    )
