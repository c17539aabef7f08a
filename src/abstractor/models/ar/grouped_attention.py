"""Grouped attention: packed questions at the cost of what they really see.

Under a dense mask every token of a packed row is scored against all L tokens of the row, though a question sees the
prefix and itself only. Here the prefix attends to itself causally, and each question to the prefix and to itself.

Shapes: R rows, Q questions, L = P + T tokens: P of the padded prefix, T of questions; S of the longest question;
H heads, of which K carry keys and values; D numbers a head.

CPU: the two parts of what a question sees are scored apart and merged by their log-sum-exp,

    out = w * out_own + (1 - w) * out_prefix,   w = sigmoid(lse_own - lse_prefix),

so that no copy of the prefix's keys is made for each question (merging: arXiv 2205.14135, section 3.1). Given the
merged output and log-sum-exp, the kernel's own backward pass yields the exact gradient of each part.
Elsewhere the keys of the prefix are copied beside those of each question, and plain SDPA runs over both.
Merged is .9 to 1.2 times as fast as joined (SmolLM2-135M, prefixes of 150 to 600 tokens, 23 questions, 2 cores, float32
and bfloat16; benchmarks/grouped_attention.py): it pays little, and goes when numbers may change in their last bits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from abstractor.models.ar.packing import PREFIX, Batch, additive

GROUPED = "grouped"
"""Name under which transformers finds the attention code; without a `grouping` it is its SDPA."""

EXACT_FOR = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types that hand the grouping on to every layer and do to attention nothing that it leaves out; tested."""


@dataclass(frozen=True)
class Block:
    """Questions of similar length, each in a row of its own, padded to the longest of them."""

    questions: int
    """Q of the block."""
    tokens: Tensor
    """(T,) int64: its question tokens, counted from P."""
    spread: Tensor
    """(Q * S,) int64: the question token in each place of the padded questions."""
    places: Tensor
    """(T,) int64: the place of each of `tokens`."""

    def apart(self, states: Tensor) -> Tensor:
        """(R, H, T of the batch, ..) -> (R * Q, H, S, ..): every question in a row, padded with its last token.

        Repeating a token keeps its log-sum-exp fit for its scores, so that nothing overflows in the gradient.
        """
        return self._fold(states.transpose(1, 2).index_select(1, self.spread))

    def apart_once(self, states: Tensor) -> Tensor:
        """`apart`, but padded with zeros: a gradient must count once."""
        tokens = states.transpose(1, 2).index_select(1, self.tokens)
        padded = tokens.new_zeros(len(tokens), len(self.spread), *tokens.shape[2:])
        return self._fold(padded.index_copy_(1, self.places, tokens))

    def back(self, states: Tensor) -> Tensor:
        """(R * Q, H, S, ..) -> (R, T, H, ..): the states of `tokens`."""
        tokens = states.transpose(1, 2)
        return tokens.reshape(-1, len(self.spread), *tokens.shape[2:]).index_select(1, self.places)

    def _fold(self, padded: Tensor) -> Tensor:
        return padded.reshape(-1, len(self.spread) // self.questions, *padded.shape[2:]).transpose(1, 2)


@dataclass(frozen=True)
class Grouping:
    """Where the questions of a packed batch lie; the same in every row."""

    prefix: int
    """P."""
    ragged: bool
    """Whether the prefixes differ in length, so that some of P is padding."""
    blocks: tuple[Block, ...]
    """All questions, the short ones apart from the long ones."""
    order: Tensor
    """(T,) int64: where each question token stands among the tokens of all blocks."""

    @classmethod
    def of(cls, batch: Batch) -> "Grouping":
        """The grouping of a packed batch, on its device."""
        lengths, device = torch.tensor(batch.suffix_lengths), batch.input_ids.device
        blocks = tuple(_block(lengths, questions, device) for questions in _cut(lengths))
        prefix = batch.input_ids.shape[1] - int(lengths.sum())
        order = torch.cat([block.tokens for block in blocks]).argsort()
        return cls(prefix, min(batch.prefix_lengths) < prefix, blocks, order)

    def each(self, run: Callable[[Block], Sequence[Tensor]]) -> list[Tensor]:
        """What `run` makes of each block, (R * Q, H, S, ..), as states of all question tokens, (R, H, T, ..)."""
        results = [[block.back(states) for states in run(block)] for block in self.blocks]
        return [torch.cat(parts, dim=1)[:, self.order].transpose(1, 2) for parts in zip(*results, strict=True)]


def _cut(lengths: Tensor) -> list[Tensor]:
    """The questions in at most two blocks with the least padding: a few list many answers, most are short."""
    by_length = lengths.argsort(stable=True)
    ordered = lengths[by_length]
    count = torch.arange(1, len(lengths) + 1)
    padded = count * ordered + (len(lengths) - count) * ordered[-1]
    first = len(padded) - int(padded.flip(0).argmin())  # of equal cuts the last: one block where two save nothing
    return [part.sort().values for part in (by_length[:first], by_length[first:]) if len(part)]


def _block(lengths: Tensor, questions: Tensor, device: torch.device) -> Block:
    ends = lengths.cumsum(0)[questions]
    own = lengths[questions]
    step = torch.arange(int(own.max()))
    real = step < own[:, None]
    spread = torch.minimum((ends - own)[:, None] + step, ends[:, None] - 1)
    return Block(
        questions=len(questions),
        tokens=spread[real].to(device),
        spread=spread.flatten().to(device),
        places=real.flatten().nonzero().flatten().to(device),
    )


def is_exact(config: Any, batch: Batch) -> bool:
    """Whether grouped attention gives this model what SDPA with a dense mask gives it."""
    window = getattr(config, "sliding_window", None)
    return (
        batch.packed
        and config._attn_implementation in ("sdpa", GROUPED)
        and config.model_type in EXACT_FOR
        and (window is None or batch.span <= window)
        and not getattr(config, "attention_dropout", 0.0)
    )


def enable(config: Any) -> None:
    """Let a model that runs SDPA take a grouping; what it computes without one stays the same.

    transformers is imported here: by now a model exists, and unsloth had its chance to come first.
    """
    if config._attn_implementation == GROUPED:
        return
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(GROUPED, attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(GROUPED, sdpa_mask)
    config._attn_implementation = GROUPED


def prefix_mask(batch: Batch, grouping: Grouping, dtype: torch.dtype) -> Tensor:
    """(R, 1, 1, P) to add to the scores of a question against the prefix: 0, or the lowest number for padding."""
    return additive(batch.segments[:, None, None, : grouping.prefix] == PREFIX, dtype)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    grouping: Grouping | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """One layer, called by transformers: (R, L, H, D), and no weights.

    Args:
        module: the layer.
        query: (R, H, L, D), rotated.
        key: (R, K, L, D), rotated.
        value: (R, K, L, D).
        attention_mask: `prefix_mask`; without a grouping, whatever SDPA takes.
        grouping: of the batch.
        options: of the layer; `scaling` is the factor of the scores.
    """
    if grouping is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward as sdpa

        output: tuple[Tensor, None] = sdpa(module, query, key, value, attention_mask, **options)
        return output
    # Under autocast only the values come straight from a product in its dtype, and kernels want one dtype.
    query, key = query.to(value.dtype), key.to(value.dtype)
    sizes = [grouping.prefix, query.shape[2] - grouping.prefix]
    (first, asking), (k_prefix, k_own), (v_prefix, v_own) = (
        torch.split(part, sizes, 2) for part in (query, key, value)
    )
    attend, scaling = Merged.apply if query.device.type == "cpu" else joined, options.get("scaling")
    keys, values, groups = k_prefix, v_prefix, query.shape[1] // key.shape[1]
    if attend is joined:  # no fast kernel of a T4 takes heads that share keys; it would fall back on P x P in float32
        keys, values, groups = *(part.repeat_interleave(groups, dim=1) for part in (keys, values)), 1
    # Padding stands behind the prefix, where causality hides it.
    prefix = scaled_dot_product_attention(first, keys, values, is_causal=True, scale=scaling, enable_gqa=groups > 1)
    mask = attention_mask if grouping.ragged else None
    own = attend(asking, k_prefix, v_prefix, k_own, v_own, mask, grouping, scaling)
    return torch.cat([prefix.transpose(1, 2), own.transpose(1, 2)], dim=1), None


class Merged(torch.autograd.Function):
    """What the questions see, prefix and own tokens scored apart and merged; on a CPU, with its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        k_prefix: Tensor,
        v_prefix: Tensor,
        k_own: Tensor,
        v_own: Tensor,
        mask: Tensor | None,
        grouping: Grouping,
        scaling: float | None,
    ) -> Tensor:
        """Call as `Merged.apply`.

        Args:
            ctx: of autograd.
            query: (R, H, T, D) of the questions.
            k_prefix: (R, K, P, D).
            v_prefix: (R, K, P, D).
            k_own: (R, K, T, D).
            v_own: (R, K, T, D).
            mask: `prefix_mask`; None: no padding.
            grouping: of the batch.
            scaling: factor of the scores; None: 1 / sqrt(D).

        Returns:
            (R, H, T, D).
        """
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        before, lse_before = flash(query, k_prefix, v_prefix, attn_mask=mask, scale=scaling)
        own, lse_own = grouping.each(
            lambda block: flash(*map(block.apart, (query, k_own, v_own)), 0.0, True, scale=scaling)
        )
        weight = torch.sigmoid(lse_own - lse_before)[..., None].to(own.dtype)
        output = torch.lerp(before, own, weight)
        lse = torch.logaddexp(lse_own, lse_before)
        ctx.save_for_backward(query, k_prefix, v_prefix, k_own, v_own, mask, output, lse)
        ctx.grouping, ctx.scaling = grouping, scaling
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of `forward`'s arguments."""
        query, k_prefix, v_prefix, k_own, v_own, mask, output, lse = ctx.saved_tensors
        grouping, scaling = ctx.grouping, ctx.scaling
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
        of_query, *of_prefix = flash(
            gradient, query, k_prefix, v_prefix, output, lse, 0.0, False, attn_mask=mask, scale=scaling
        )
        of_asking, *of_own = grouping.each(
            lambda block: flash(
                block.apart_once(gradient),
                *map(block.apart, (query, k_own, v_own, output, lse)),
                0.0,
                True,
                scale=scaling,
            )
        )
        return of_query + of_asking, *of_prefix, *of_own, None, None, None


def joined(
    query: Tensor,
    k_prefix: Tensor,
    v_prefix: Tensor,
    k_own: Tensor,
    v_own: Tensor,
    mask: Tensor | None,
    grouping: Grouping,
    scaling: float | None,
) -> Tensor:
    """The same by plain SDPA over [prefix | own tokens], on any device; arguments and result as in `Merged`.

    Heads that share keys stand below one another as further queries, so that keys are copied once a question.
    """
    heads = k_prefix.shape[1]

    def run(block: Block) -> list[Tensor]:
        def beside(prefix: Tensor, own: Tensor) -> Tensor:
            copies = prefix[:, None].expand(-1, block.questions, -1, -1, -1).flatten(0, 1)
            return torch.cat([copies, block.apart(own)], dim=2)

        apart = block.apart(query)
        length = apart.shape[2]
        seen = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
        seen = nn.functional.pad(seen, (grouping.prefix, 0), value=True)[None, None]
        allowed = additive(seen, query.dtype)
        if mask is not None:
            padding = nn.functional.pad(mask.to(query.dtype), (0, length))
            allowed = torch.minimum(allowed, padding).repeat_interleave(block.questions, dim=0)
        output = scaled_dot_product_attention(
            apart.reshape(len(apart), heads, -1, apart.shape[3]),
            beside(k_prefix, k_own),
            beside(v_prefix, v_own),
            attn_mask=allowed.repeat(1, 1, apart.shape[1] // heads, 1),
            scale=scaling,
        )
        return [output.reshape(apart.shape)]

    return grouping.each(run)[0]
