"""What some families of backbones need beside tokens and mask.

R rows, L tokens, H hidden units.
"""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


def configure(config: Any, max_tokens: int) -> None:
    """Set up a backbone's config for classifying rows of `max_tokens` at most, in place.

    A decoder keeps no cache, since nothing is generated. BigBird attends in full where no row is long enough for its
    sparse attention. That one attends to the last block of the padded batch, so padding changes a row a little.
    """
    if getattr(config, "use_cache", False):
        config.use_cache = False
    if _is_sparse(config) and max_tokens <= _too_short(config):
        config.attention_type = "original_full"


def longest_row(backbone: Any) -> int | None:
    """The longest row that a backbone reads; None: any.

    RoBERTa and its kin count positions from beyond the padding's; DeBERTa mostly has relative positions only.
    """
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    if not getattr(backbone.config, "position_biased_input", True):
        return None
    limit: int | None = getattr(backbone.config, "max_position_embeddings", None)
    return limit if limit is not None and limit > 0 else None  # XLNet: -1


def states(backbone: Any, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """The last hidden states of rows padded on the right; arguments as in `outputs`. Returns (R, L, H)."""
    result: Tensor = outputs(backbone, input_ids, attention_mask, torch.zeros_like(input_ids)).last_hidden_state
    return result[:, : input_ids.shape[1]]


def outputs(backbone: Any, input_ids: Tensor, attention_mask: Tensor, central: Tensor) -> Any:
    """What a model returns for rows padded on the right.

    Longformer's first token sees the whole row and is seen by all of it, and so do the tokens that ask something of
    the row (arXiv 2004.05150, section 3.1). Rows too short for BigBird's sparse attention are padded further, or it
    would attend in full from there on, for good; that attention is computed in float32, since transformers 5.17 mixes
    dtypes in it under autocast.

    Args:
        backbone: a transformers or peft model.
        input_ids: (R, L).
        attention_mask: (R, L), 1 for a token, 0 for padding.
        central: (R, L), not 0 for a token that asks.
    """
    config, length, more = backbone.config, input_ids.shape[1], {}
    if config.model_type == "longformer":
        more["global_attention_mask"] = central.to(attention_mask.dtype, copy=True)
        more["global_attention_mask"][:, 0] = 1
    precision: Any = nullcontext()
    if _is_sparse(config):
        missing = max(0, _too_short(config) + 1 - length)
        input_ids = pad(input_ids, (0, missing), value=config.pad_token_id)
        attention_mask = pad(attention_mask, (0, missing))
        precision = torch.autocast(input_ids.device.type, enabled=False)
    with precision:
        return backbone(input_ids=input_ids, attention_mask=attention_mask, **more)


def _is_sparse(config: Any) -> bool:
    return bool(config.model_type == "big_bird" and config.attention_type == "block_sparse")


def _too_short(config: Any) -> int:
    """Longest row that transformers' BigBird refuses to attend to sparsely."""
    return int((5 + 2 * config.num_random_blocks) * config.block_size)
