"""LoRA: low-rank adapters in place of full fine-tuning (arXiv 2106.09685)."""

from typing import Annotated, Any

from pydantic import Field

from abstractor.base.params import Strict


class Lora(Strict):
    """Which layers get an adapter, and how large."""

    rank: Annotated[int, Field(ge=1, le=1024)]
    """Rank of the update of each weight matrix, 1 to 1024."""
    alpha: Annotated[int, Field(ge=1, le=4096)]
    """The update is scaled by alpha / rank; 1 to 4096."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Dropout before the update, 0 to below 1."""
    targets: Annotated[list[str], Field(min_length=1)]
    """Names of the linear layers that get an adapter; of a language model, lm_head may be one of them."""


def adapted(model: Any, lora: Lora, **options: Any) -> Any:
    """A frozen transformers model with fresh adapters, drawn from PyTorch's global seed.

    Args:
        model: of transformers.
        lora: of the adapters.
        options: more of peft's LoraConfig.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=sorted(lora.targets),
        **options,
    )
    return get_peft_model(model, config)
