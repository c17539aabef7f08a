"""The parameters of one sequence classifier, `models.<name>` in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from abstractor.base.messages import training as messages
from abstractor.models.shared.lora import Lora
from abstractor.training.loop.settings import Part, Rate, Share, Training, Weight

RDropWeight = Weight
"""Type of the top-level parameter `rdrop`."""


class ScModel(Training):
    """How a sequence classifier reads and what it minimises; `swap` is for SC1 and SC3."""

    max_tokens: Annotated[int, Field(ge=16, le=131072)]
    """Longest row in tokens, 16 to 131072; longer narratives lose their middle."""
    pooling: Literal["mean", "first", "last", "labels"]
    """What stands for a row: mean, first or last token, or labels: for each variable a mean weighted by a query that
    starts from its question (label attention, arXiv 1802.05695); SC3 reads its masks."""
    head_dropout: Share
    """Dropout before the head, 0 to 1."""
    head_samples: Annotated[int, Field(ge=1, le=64)]
    """Masks of that dropout that a training pass of SC1 and SC2 reads a row under, 1 (off) to 64: the loss is the mean
    over them (multi-sample dropout, arXiv 1905.09788)."""
    lora: Lora | None
    """null (all weights are trained) or an adapter: {rank, alpha, dropout, targets: [..]}."""
    rdrop_form: Literal["mse", "kl"]
    """What R-Drop compares: mse (binary logits) or kl (all probabilities)."""
    binary_weight: Weight
    """Weight of the summed binary cross entropies, 0 to 100."""
    categorical_weight: Weight
    """Weight of each categorical variable's cross entropy, 0 to 100."""
    lovasz_weight: Weight
    """Weight of the symmetric Lovasz hinge, a bound of the Jaccard loss of a case's binary variables, 0 (off) to 100
    (arXiv 1705.08790)."""
    focal: Annotated[float, Field(ge=0, le=10)]
    """Exponent of focal loss, which plays down what is nearly right already, 0 (off: plain cross entropy) to 10
    (arXiv 1708.02002, 2006.04388)."""
    label_smoothing: Part
    """Share of a uniform guess that is mixed into every target, 0 (off) to below 1 (arXiv 1512.00567)."""
    head_learning_rate: Rate
    """Peak learning rate of the new head, above 0 to 1; a pretrained one (SC3) learns at the backbone's."""
    layer_decay: Rate
    """Each layer's rate as a share of that of the layer above, the embeddings lowest, above 0 to 1 (off: all alike)."""
    frozen_layers: Annotated[int, Field(ge=0)] | None
    """The lowest layers that are not trained, the embeddings with them, 0 (the embeddings alone) and up; null: none.
    All of them: a frozen encoder without dropout, whose head alone learns."""
    attention: Literal["auto", "eager", "sdpa", "flash"] = "auto"
    """auto (what the architecture is known to compute rightly), eager, sdpa or flash (training of DeBERTa-v2 and v3 on
    a GPU of compute capability 8.0 or more, without lora; the package disentangled-flash)."""

    @field_validator("attention")
    @classmethod
    def _no_adapter_under_kernels(cls, attention: str, info: ValidationInfo) -> str:
        """The kernels multiply by the plain weights: an adapter there would be left out and learn nothing."""
        if attention == "flash" and info.data.get("lora") is not None:
            raise messages.flash_reads_past_adapters()
        return attention
