"""Which attention code and which arithmetic an architecture computes rightly with: one table, with the reasons.

Written with a T4 in mind (compute capability 7.5): no bfloat16; no flash attention 2; Triton 3.3 and later no longer
use its tensor cores, so no flex attention and no compiled matrix products either. That leaves SDPA, whose
memory-efficient kernel runs there, and eager attention.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch

from abstractor.base.messages import backbones as messages


class Attention(NamedTuple):
    """The attention code that a model will use, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Rule:
    """What is known of an architecture."""

    attention: str = "sdpa"
    """What `auto` takes."""
    reason: str = "faster, and exact for this architecture"
    refused: Mapping[str, str] = field(default_factory=dict)
    """Attention code -> why it is wrong."""
    refused_in_float16: Mapping[str, str] = field(default_factory=dict)
    """Attention code -> why it is wrong in float16."""
    float16: str | None = None
    """Why float16 is wrong whatever the attention; None: it is not known to be."""
    flash: bool = False
    """Whether disentangled-flash has kernels for it. `auto` takes none: a result would hang on an installed package."""


_SOFT_CAPPED = Rule(
    attention="eager",
    reason="SDPA leaves out its soft-cap",
    refused={"sdpa": "leaves out the soft-cap"},  # transformers#31887
)
_DISENTANGLED = Rule(
    attention="eager",
    reason="transformers has no other code for its relative positions",
    refused={"sdpa": "has no code for the relative positions"},
)
_SPARSE = Rule(
    attention="eager",
    reason="transformers has its own code for its sparse attention",
    refused={"sdpa": "has no code for the sparse attention"},
)
_GEMMA3 = Rule(float16="its activations go beyond the largest float16, 65,504")  # transformers#39972

RULES: Mapping[str, Rule] = {
    "big_bird": _SPARSE,
    "deberta": _DISENTANGLED,
    "deberta-v2": replace(_DISENTANGLED, flash=True),
    # In float16 vLLM refuses Gemma-2, others find it sound; it is tried, and an overflow is refused as no number.
    "gemma2": _SOFT_CAPPED,
    "gemma3": _GEMMA3,
    "gemma3_text": _GEMMA3,
    "longformer": _SPARSE,
    "qwen2": Rule(refused_in_float16={"eager": "overflows to NaN"}),  # transformers#33317
}
"""Model type -> what is known; the others follow `Rule()`."""


def rule(config: Any) -> Rule:
    """What is known of the architecture of a transformers config."""
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    return RULES.get(config.model_type, _SOFT_CAPPED if capped else Rule())


def choose_attention(config: Any, asked: str, dtype: torch.dtype) -> Attention:
    """The attention code for a model.

    Args:
        config: of transformers.
        asked: auto, sdpa, eager or flash.
        dtype: of the arithmetic.

    Raises:
        ArchitectureError: `asked`, or the dtype, is known to compute something wrong.
    """
    known, kind, half = rule(config), config.model_type, dtype == torch.float16
    if half and known.float16:
        raise messages.float16_is_wrong(kind, known.float16)
    missing = {} if known.flash else {"flash": "has no kernels"}
    wrong = {**missing, **known.refused, **(known.refused_in_float16 if half else {})}
    if asked in wrong:
        where = " in float16" if asked in known.refused_in_float16 else ""
        raise messages.attention_is_wrong(asked, wrong[asked], kind, where, known.attention)
    if asked != "auto":
        return Attention(asked, "asked for")
    if half and known.refused_in_float16:
        return Attention(known.attention, f"eager {known.refused_in_float16['eager']} in float16")
    return Attention(known.attention, known.reason)
