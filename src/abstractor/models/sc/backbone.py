"""A classifier's backbone: loaded in float32, with adapters or without, ready for rows of `max_tokens`."""

from pathlib import Path
from typing import Any, Protocol

import torch
from peft import PeftModel
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from abstractor.base.messages import backbones as backbone_messages
from abstractor.base.messages import classifiers as messages
from abstractor.models.sc import families, flash
from abstractor.models.shared import tokenizers
from abstractor.models.shared.attention_rules import Rule, choose_attention, rule
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.lora import Lora, adapted


class Design(Protocol):
    """What a new classifier is built from."""

    @property
    def backbone(self) -> str:
        """Name under `models/backbones`."""

    @property
    def max_tokens(self) -> int:
        """Longest row."""

    @property
    def pooling(self) -> str:
        """See `classifier.Classifier`."""

    @property
    def head_dropout(self) -> float:
        """Before the head."""

    @property
    def head_samples(self) -> int:
        """Masks of that dropout in training."""

    @property
    def lora(self) -> Lora | None:
        """None: all weights are trained."""

    @property
    def attention(self) -> str:
        """auto, eager, sdpa or flash; see `attention_rules`."""

    @property
    def gradient_checkpointing(self) -> bool:
        """Recompute activations in the backward pass."""


def load_tokenizer(backbone: str) -> Any:
    """The tokenizer of a backbone."""
    return tokenizers.load_tokenizer(backbone_folder(backbone))


def pretrained(
    folder: Path, max_tokens: int, dtype: torch.dtype, variant: str | None = None, attention: str = "auto"
) -> Any:
    """A backbone without a head, in float32.

    Args:
        folder: of a backbone, or of a classifier trained in full.
        max_tokens: longest row.
        dtype: of the arithmetic, which autocast sees to.
        variant: of the weights' file name; None: plain.
        attention: auto, eager, sdpa or flash, which loads as eager until `to_train`.

    Raises:
        ArchitectureError: the backbone cannot compute in `dtype`, or not with `attention`.
    """
    found = options(folder, max_tokens, dtype, variant, attention)
    return AutoModel.from_pretrained(folder, dtype=torch.float32, **found)


def options(
    folder: Path, max_tokens: int, dtype: torch.dtype, variant: str | None = None, attention: str = "auto"
) -> dict[str, Any]:
    """Config, variant and attention of a backbone, for `from_pretrained`; arguments as in `pretrained`."""
    config = AutoConfig.from_pretrained(folder)
    families.configure(config, max_tokens)
    chosen: str | None = choose_attention(config, attention, dtype).name
    if attention == "sdpa" and not MODEL_MAPPING[type(config)]._supports_sdpa:
        raise backbone_messages.attention_is_wrong("sdpa", "is missing", config.model_type, "", "eager")
    if chosen == "flash":
        chosen = "eager"
    elif attention == "auto" and rule(config) == Rule():
        chosen = None  # what transformers itself would take: not all types have SDPA
    return {"config": config, "variant": variant, "attn_implementation": chosen}


def to_train(model: Any, design: Design) -> Any:
    """A loaded backbone as `design` has it trained: with fresh adapters, or in full.

    Raises:
        RunError: it cannot read rows of `max_tokens`, or has a shape that flash attention has no kernels for.
    """
    limit = families.longest_row(model)
    if limit is not None and design.max_tokens > limit:
        raise messages.row_too_long(design.backbone, limit, design.max_tokens)
    if design.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if design.attention == "flash":
        flash.enable(model)
    return adapted(model, design.lora) if design.lora is not None else model


def trained(base: Any, folder: Path, adapter: bool) -> Any:
    """A loaded backbone with the adapters of a model folder, where it has some."""
    return PeftModel.from_pretrained(base, folder) if adapter else base
