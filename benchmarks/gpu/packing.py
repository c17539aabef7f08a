"""Packed questions against single prompts at published shapes: logits and gradients, with every kernel there is.

Rounding makes the two differ. So both are held against single prompts in float32: packed rows may be as far from them
as single prompts in the same dtype are, within a factor.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from abstractor.models.ar.answers import question_logits
from abstractor.models.ar.packing import pack, separate
from abstractor.models.shared.attention_rules import choose_attention
from gpu import product
from gpu.steps import Found, Part, Setting

LLAMA, GEMMA = "meta-llama/Llama-3.2-3B-Instruct", "google/gemma-2-2b-it"
T4 = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""SDPA's kernels on a T4: neither flash attention nor cuDNN's."""
PREFIXES, SUFFIXES = (601, 333, 57), (26, 19, 26, 31, 9, 26)
"""Tokens of three cases, of different lengths, and of their questions."""
LAYERS, DEPTH = 2, 26
"""Of the comparison with gradients, and Gemma-2's own for its logits: float16 overflows in deep layers, if at all."""
FACTOR = 2.0
SCALE = 256.0
"""Of the loss, as a gradient scaler has it: else small gradients are zero in float16."""


class Case(NamedTuple):
    """What is compared."""

    prefixes: list[list[int]]
    suffixes: list[list[int]]

    @classmethod
    def drawn(cls, setting: Setting, vocabulary: int) -> "Case":
        """Random tokens."""
        cut = 8 if setting.small else 1
        draw = partial(product.tokens, vocabulary)
        prefixes = [draw(length // cut, seed) for seed, length in enumerate(PREFIXES)]
        return cls(prefixes, [draw(length, 10 + seed) for seed, length in enumerate(SUFFIXES)])


def llama(setting: Setting) -> Iterator[Part]:
    """Grouped attention: two dtypes, all kernels and a T4's, row lengths as they come and in steps of 8."""
    for dtype in (torch.bfloat16,) if setting.small else (torch.float16, torch.bfloat16):
        exact = dict[str, dict[str, Tensor]]()
        for kernels, within in (("every kernel", None), ("a T4's kernels", T4)):
            for multiple in (1, 8):
                what = f"{str(dtype)[6:]}, {kernels}, rows in steps of {multiple}, logits and gradients"
                yield what, partial(packed_is_single, setting, LLAMA, LAYERS, dtype, within, multiple, True, exact)


def gemma(setting: Setting) -> Iterator[Part]:
    """Eager attention with the soft-cap, in float16: with gradients, and all layers for the logits."""
    dtype = torch.bfloat16 if setting.small else torch.float16
    for layers, learn in ((LAYERS, True), (DEPTH, False)):
        what = f"{str(dtype)[6:]}, eager, {layers} layers, logits{' and gradients' if learn else ''}"
        yield what, partial(packed_is_single, setting, GEMMA, layers, dtype, None, 8, learn, {})


def packed_is_single(
    setting: Setting,
    name: str,
    layers: int,
    dtype: torch.dtype,
    kernels: list[SDPBackend] | None,
    multiple: int,
    learn: bool,
    exact: dict[str, dict[str, Tensor]],
) -> Found:
    """Compare both layouts with float32; `exact` keeps the float32 side for the next part of the same model."""
    from transformers import AutoModelForCausalLM

    product.prepared(setting, str(dtype)[6:])
    config = product.config(setting, name, num_hidden_layers=layers)
    attention = choose_attention(config, "auto", dtype).name
    with torch.device(setting.device):
        model = product.random(AutoModelForCausalLM, config, dtype=dtype, attn_implementation=attention).eval()
    case = Case.drawn(setting, config.vocab_size)
    single = separate(*case)
    if "single" not in exact:
        exact["single"] = computed(copy.deepcopy(model).float(), single, learn)
    inside: AbstractContextManager[Any] = sdpa_kernel(kernels) if kernels else nullcontext()
    with inside:
        alone = computed(model, single, learn)
        together = computed(model, pack(*case, multiple=multiple), learn)
    worst, words = 0.0, []
    for part in ("logits", "gradients") if learn else ("logits",):
        ours, theirs = (
            product.error(*(_of(part, side) for side in (one, exact["single"]))) for one in (together, alone)
        )
        worst = max(worst, ours / theirs) if math.isfinite(ours) else math.inf
        words.append(f"{part} {ours:.1e} from float32, single prompts {theirs:.1e}")
    return Found(worst <= FACTOR, "; ".join(words))


def computed(model: Any, batch: Any, learn: bool) -> dict[str, Tensor]:
    """The logits of every question, (B, Q, V), and with `learn` the gradients of the layers' weights."""
    weights = dict(model.base_model.layers.named_parameters())
    model.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(learn)
    with torch.set_grad_enabled(learn):
        logits = question_logits(model, batch)
    found = {"logits": logits.detach().float()}
    if learn:
        gradients = torch.autograd.grad(logits.float().logsumexp(2).mean() * SCALE, list(weights.values()))
        found |= dict(zip(weights, gradients, strict=True))
    return found


def _of(part: str, found: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in found.items() if (name == "logits") == (part == "logits")}
