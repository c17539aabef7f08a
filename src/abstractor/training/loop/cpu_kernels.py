"""Dropout and attention for training on a CPU, where PyTorch's own draw a mask number by number.

There a classifier's step spends more time on dropout and on attention than on all other products of its layers:
`bernoulli_` draws one number at a time, attention with dropout leaves the fused kernel for a slow one in float32, and
the fused one's backward pass is slow in bfloat16. Four 16-bit numbers to a draw and plain products save a third of a
step in bfloat16 and a tenth in float32 (benchmarks/sc_training.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

PRODUCTS = "products"
"""Name under which transformers finds `attention`."""
_LEVELS = 2**16
"""Values of the integers that a mask is drawn by: a probability is met to 1 in 65,536."""


def kept(shape: torch.Size, dropout: float) -> Tensor:
    """A mask of this shape, each place True with probability 1 - `dropout`, from PyTorch's CPU generator.

    Args:
        shape: of the mask.
        dropout: 0 to below 1.
    """
    places = prod(shape)
    drawn = torch.empty(-(-places // 4), dtype=torch.int64).random_(-(2**63), None)
    return (drawn.view(torch.int16)[:places] >= round(dropout * _LEVELS) - _LEVELS // 2).view(shape)


class DrawnDropout(nn.Dropout):
    """`nn.Dropout` with a mask from `kept`."""

    def forward(self, input: Tensor) -> Tensor:
        """The same shape, each number 0 with probability `p`, else divided by 1 - p; in evaluation as it is."""
        if not self.training or not 0 < self.p < 1:
            return super().forward(input)
        return input * kept(input.shape, self.p).to(input.dtype).div_(1 - self.p)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """One layer of an encoder, called by transformers: (R, L, H, D), and no weights.

    R rows, H heads, L tokens, D numbers a head. In evaluation it is the fused kernel, whose forward pass is quick.

    Args:
        module: the layer.
        query: (R, H, L, D).
        key: (R, H, L, D).
        value: (R, H, L, D).
        attention_mask: bool, True where a row's token sees a column's, to be broadcast to (R, H, L, L); None: all do.
        dropout: of the attention weights.
        scaling: factor of the scores; None: 1 / sqrt(D).
        options: what else the layer says; with any of it the fused kernel is called.
    """
    if not module.training or any(option is not None for option in options.values()):
        output: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return output
    scores = (query * (scaling or query.shape[-1] ** -0.5)) @ key.transpose(2, 3)
    if attention_mask is not None:
        scores += torch.zeros_like(attention_mask, dtype=scores.dtype).masked_fill_(
            ~attention_mask, torch.finfo(scores.dtype).min
        )
    weights = scores.softmax(dim=-1)
    if dropout:
        weights, value = weights * kept(weights.shape, dropout), value / (1 - dropout)
    return (weights @ value).transpose(1, 2).contiguous(), None


@contextmanager
def installed(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Within the block a model on a CPU has these; elsewhere it stays as it is, and is so again afterwards.

    Attention is that of encoders which ask transformers for SDPA: decoders have kernels of their own.

    Args:
        model: to train.
        device: where it lies.
    """
    modules = list(model.modules()) if device.type == "cpu" else []
    dropouts = [module for module in modules if type(module) is nn.Dropout]
    configs: list[Any] = [getattr(module, "config", None) for module in modules]
    encoders = [config for config in configs if isinstance(config, PretrainedConfig)]
    asking = {id(config): config for config in encoders if config._attn_implementation == "sdpa"}
    if any(getattr(module, "is_causal", False) for module in modules):
        asking = {}
    ALL_ATTENTION_FUNCTIONS.register(PRODUCTS, attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(PRODUCTS, sdpa_mask)
    _set(dropouts, DrawnDropout, asking.values(), PRODUCTS)
    try:
        yield
    finally:
        _set(dropouts, nn.Dropout, asking.values(), "sdpa")


def _set(dropouts: Any, kind: type[nn.Dropout], configs: Any, attention_name: str) -> None:
    for module in dropouts:
        module.__class__ = kind
    for config in configs:
        config._attn_implementation = attention_name
