"""A small codebook, a tokenizer trained on a few words, and random models of three architectures."""

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from abstractor.data.cases.codebook import Codebook, Variable

WINDOW = 12
CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = [
    "Was a note found? Did the person seem depressed around the time of death? Where did the injury happen?",
    "Officer report: found at home. History of depression, in treatment. No note was located. Yes No",
    "Yes\nNo\nassistant\nsystem\nuser\n",
    "Coroner report: none. A house; B street; C park; D other. Answer Yes or No, or the letter of an option.",
]


@pytest.fixture(scope="session")
def codebook() -> Codebook:
    """Two reports, two binary variables and a categorical one between them."""
    binary = {0: "no", 1: "yes"}
    return Codebook(
        dataset="small",
        unit="one death",
        narratives={"Officer": "officer report", "Coroner": "coroner report"},
        variables=(
            Variable("Note", "binary", "A note.", "Was a note found?", binary, None),
            Variable("Place", "categorical", "Where.", "Where?", {3: "house", 1: "street", 7: "park"}, None),
            Variable(
                "Mood", "binary", "Mood.", "Did the person seem depressed around the time of death?", binary, None
            ),
        ),
    )


@pytest.fixture
def tokenizer() -> Any:
    """Byte-level BPE with a ChatML template, as SmolLM2 and Qwen2.5 have."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        WORDS * 9,
        trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<|endoftext|>", eos_token="<|im_end|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    fast.chat_template = CHATML
    return fast


def tiny_model(kind: str, attention: str = "sdpa") -> Any:
    """A random float32 model; qwen2 and gemma2 alternate full attention with a window of `WINDOW` tokens."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 600,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,
        "attn_implementation": attention,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape)).eval()
    window: dict[str, Any] = {"sliding_window": WINDOW, "layer_types": layers}
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**shape, **window, use_sliding_window=True)).eval()
    shape |= {"query_pre_attn_scalar": 8, "final_logit_softcapping": 5.0}
    return Gemma2ForCausalLM(Gemma2Config(**shape, **window)).eval()


@pytest.fixture
def make_model() -> Any:
    """`tiny_model`, handed to tests as a fixture since test folders are not packages."""
    return tiny_model
