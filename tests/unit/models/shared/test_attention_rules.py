"""What an architecture computes wrongly is refused, what it computes rightly is chosen."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig

from abstractor.base.messages.backbones import ArchitectureError
from abstractor.models.shared.attention_rules import RULES, choose_attention, rule


def config(kind: str, **changes: Any) -> Any:
    return AutoConfig.for_model(kind, **changes)


@pytest.mark.parametrize(
    ("kind", "asked", "dtype", "expected"),
    [
        ("bert", "auto", torch.float16, "sdpa"),
        ("deberta-v2", "auto", torch.float16, "eager"),
        ("deberta-v2", "flash", torch.float16, "flash"),
        ("longformer", "auto", torch.float16, "eager"),
        ("big_bird", "auto", torch.bfloat16, "eager"),
        ("llama", "auto", torch.float32, "sdpa"),
        ("llama", "eager", torch.float16, "eager"),
        ("gemma2", "auto", torch.float16, "eager"),
        ("gemma3_text", "auto", torch.bfloat16, "sdpa"),
        ("qwen2", "auto", torch.float16, "sdpa"),
        ("qwen2", "eager", torch.float32, "eager"),
    ],
)
def test_attention_follows_the_architecture(kind: str, asked: str, dtype: torch.dtype, expected: str) -> None:
    assert choose_attention(config(kind), asked, dtype).name == expected


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        ("gemma2", "sdpa", "sdpa leaves out the soft-cap for gemma2; set it to auto or eager"),
        ("deberta-v2", "sdpa", "has no code for the relative positions"),
        ("deberta", "flash", "flash has no kernels for deberta; set it to auto or eager"),
        ("bert", "flash", "flash has no kernels for bert; set it to auto or sdpa"),
        ("longformer", "sdpa", "has no code for the sparse attention"),
        ("qwen2", "eager", "eager overflows to NaN for qwen2 in float16; set it to auto or sdpa"),
        ("gemma3_text", "auto", "float16 is wrong for gemma3_text: .* set dtype to bfloat16"),
    ],
)
def test_what_is_known_to_be_wrong_is_refused(kind: str, asked: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        choose_attention(config(kind), asked, torch.float16)


def test_the_reason_is_told() -> None:
    assert choose_attention(config("qwen2"), "auto", torch.float16).reason == "eager overflows to NaN in float16"
    assert choose_attention(config("gemma2"), "auto", torch.float32).reason == "SDPA leaves out its soft-cap"
    assert choose_attention(config("llama"), "sdpa", torch.float32).reason == "asked for"


def test_a_soft_cap_is_seen_in_types_that_the_table_does_not_name() -> None:
    capped = config("llama")
    capped.attn_logit_softcapping = 50.0

    assert rule(capped).attention == "eager"


@pytest.mark.parametrize("kind", sorted(RULES))
def test_every_named_type_is_one_of_transformers(kind: str) -> None:
    assert AutoConfig.for_model(kind).model_type == kind
