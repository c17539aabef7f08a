"""From a batch of prompts to the logits and probabilities of their answers.

Shapes as in `packing`; V is the vocabulary, O the most answers that a question has.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from abstractor.base.messages import language_models as messages
from abstractor.data.cases.codebook import Codebook
from abstractor.models.ar.grouped_attention import GROUPED, Grouping, enable, is_exact, prefix_mask
from abstractor.models.ar.packing import PADDING, Batch, additive, pack, packed_mask, separate

NEVER = -1e30
"""Logit of an answer that a question does not have: probability 0, and finite, since -inf - -inf is NaN."""

MASK_PER_LAYER_TYPE = frozenset({"gemma2", "gemma3_text", "olmo3", "qwen2", "qwen3", "smollm3"})
"""Model types whose forward pass takes a mapping layer type -> mask, so that sliding layers get a mask of their own."""

_TOLERANCE = {torch.float32: 0.01, torch.bfloat16: 0.5, torch.float16: 0.2}
"""Difference of the layouts that rounding explains, in standard deviations of the logits; a leak makes about 1."""


def question_logits(model: nn.Module, batch: Batch) -> Tensor:
    """Logits over the vocabulary at the end of every prompt.

    The states are gathered on their way into the head, so that the head, a LoRA on it and whatever the model does
    to logits afterwards (Gemma-2: a soft-cap) run as in the model's own code, at R * K positions instead of R * L.

    Args:
        model: a causal language model of transformers, or a PEFT model around one.
        batch: on any device.

    Returns:
        (B, Q, V) on the model's device.

    Raises:
        ModelError: see `layout_options`; or the model does not use its output layer.
    """
    causal: Any = model
    batch = batch.to(causal.device)
    rows = torch.arange(len(batch.input_ids), device=causal.device)[:, None]

    def gather(_: nn.Module, states: tuple[Tensor, ...]) -> Tensor:
        return states[0][rows, batch.answers]

    options = layout_options(causal.config, batch, causal.get_input_embeddings().weight.dtype)
    handle = causal.get_output_embeddings().register_forward_pre_hook(gather)
    try:
        logits: Tensor = causal(input_ids=batch.input_ids, use_cache=False, **options).logits
    finally:
        handle.remove()
    if logits.shape[:2] != batch.answers.shape:
        raise messages.no_output_layer(causal.config.model_type)
    return logits.reshape(batch.cases, -1, logits.shape[-1])


def pick(logits: Tensor, answers: Sequence[Sequence[int]]) -> Tensor:
    """The logits of the answer tokens.

    Args:
        logits: (B, Q, V).
        answers: per question, the ids of its answer tokens, as in `Prompts.answers`.

    Returns:
        (B, Q, O) float32; `NEVER` where a question has fewer answers.
    """
    width = max(map(len, answers))
    ids = torch.tensor([[*tokens, *[PADDING] * (width - len(tokens))] for tokens in answers], device=logits.device)
    picked = logits.gather(2, ids.clamp(min=0).expand(len(logits), -1, -1)).float()
    return picked.masked_fill(ids == PADDING, NEVER)


def answer_logits(model: nn.Module, batch: Batch, answers: Sequence[Sequence[int]]) -> Tensor:
    """Logits over each question's answer tokens: (B, Q, O) float32, see `question_logits` and `pick`."""
    return pick(question_logits(model, batch), answers)


def probabilities(logits: Tensor, codebook: Codebook) -> np.ndarray:
    """Softmax over a question's answers, laid out as a prediction.

    Args:
        logits: (B, Q, O) of `pick`, one question a variable in codebook order.
        codebook: gives the layout.

    Returns:
        (B, columns) float32, in the order of `codebook.columns`: of a binary variable the probability of Yes.
    """
    shares = torch.softmax(logits.detach().double(), dim=-1).cpu()
    parts = [
        shares[:, number, 1:2] if variable.kind == "binary" else shares[:, number, : len(variable.codes)]
        for number, variable in enumerate(codebook.variables)
    ]
    return torch.cat(parts, dim=1).numpy().astype(np.float32)


def layout_options(config: Any, batch: Batch, dtype: torch.dtype) -> dict[str, Any]:
    """What a forward pass must know of the layout beside the ids: mask, positions and, where it is exact, grouping.

    Args:
        config: of the model; a model that grouped attention is exact for is switched to it.
        batch: on the model's device.
        dtype: of the numbers that are added to attention scores.

    Raises:
        ModelError: see `attention_mask`.
    """
    if not batch.packed:
        return {"attention_mask": attention_mask(config, batch, dtype)}
    if not is_exact(config, batch):
        return {"attention_mask": attention_mask(config, batch, dtype), "position_ids": batch.position_ids}
    enable(config)
    grouping = Grouping.of(batch)
    return {
        "attention_mask": prefix_mask(batch, grouping, dtype),  # 4D: transformers hands it on as it is
        "position_ids": batch.position_ids,
        "grouping": grouping,  # no context around the call: checkpointing calls the layers again after it
    }


def attention_mask(config: Any, batch: Batch, dtype: torch.dtype) -> Any:
    """The mask of a batch in the form that this model computes rightly.

    Args:
        config: of the model.
        batch: on the model's device.
        dtype: of the numbers that eager attention adds to its scores.

    Returns:
        Separate rows: (R, L), 1 = token, 0 = padding. Packed rows: (R, 1, L, L), bool for SDPA, numbers for eager
        attention; per layer type where a window slides in some layers only.

    Raises:
        ModelError: the architecture would silently compute something else for packed rows.
    """
    if not batch.packed:
        return (batch.segments != PADDING).long()
    if config._attn_implementation not in ("sdpa", "eager", GROUPED):
        raise messages.attention_takes_no_mask(config._attn_implementation)

    def mask(window: int | None) -> Tensor:
        allowed = packed_mask(batch.segments, batch.position_ids, window)
        return additive(allowed, dtype) if config._attn_implementation == "eager" else allowed

    window = getattr(config, "sliding_window", None)
    kinds = _layer_kinds(config, window)
    if window is None or batch.span <= window:
        return mask(None)  # no window reaches its limit, so all layers see the same
    if kinds == {"sliding_attention"}:
        return mask(window)
    if config.model_type not in MASK_PER_LAYER_TYPE:
        raise messages.longer_than_the_window(config.model_type, window, batch.span)
    return {"full_attention": mask(None), "sliding_attention": mask(window)}


def check_prompts(
    model: nn.Module, prefix: Sequence[int], suffixes: Sequence[Sequence[int]], longest: int, packed: bool
) -> None:
    """Try a model before hours are spent on it: does a packed question get the logits that it gets alone?

    Args:
        model: the model, on its device.
        prefix: of an invented case; short.
        suffixes: of all questions; the first and the last are tried.
        longest: tokens of the longest prompt to come.
        packed: whether packed rows will be used; if not, only `longest` is checked.

    Raises:
        ModelError: a prompt has more positions than the model, the model gives no numbers, or the layouts differ by
            more than rounding explains.
    """
    causal: Any = model
    limit = getattr(causal.config, "max_position_embeddings", None)
    if limit is not None and longest > limit:
        raise messages.prompt_too_long(longest, limit)
    if not packed:
        return
    training = model.training
    model.eval()
    with torch.no_grad():  # inference_mode would leave caches behind that training cannot use
        tried = [suffixes[0], suffixes[-1]]
        together = question_logits(model, pack([prefix], tried)).float()
        alone = question_logits(model, separate([prefix], tried)).float()
    model.train(training)
    dtype = causal.get_input_embeddings().weight.dtype
    if not (together.isfinite().all() and alone.isfinite().all()):
        raise messages.no_numbers(causal.config.model_type, str(dtype).removeprefix("torch."))
    difference = float((together - alone).abs().max() / alone.std())
    if not difference <= _TOLERANCE[dtype]:  # not "difference > tolerance": a NaN must not pass
        raise messages.layouts_differ(causal.config.model_type, difference)


def _layer_kinds(config: Any, window: int | None) -> set[str]:
    """Kinds of attention in the layers; refuses layers that carry a state from one question into the next."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention" if window is None else "sliding_attention"])
    if kinds - {"full_attention", "sliding_attention"}:
        raise messages.layers_that_no_mask_parts(config.model_type, kinds)
    return kinds
