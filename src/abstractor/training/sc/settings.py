"""The parameters of one sequence classifier, `models.<name>` in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from abstractor.base.params import Strict
from abstractor.training.lessons.examples import Learns

Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0, le=100)]
RDropWeight = Weight
"""Type of the top-level parameter `rdrop`."""


class Lora(Strict):
    """Low-rank adapters in place of full fine-tuning (arXiv 2106.09685)."""

    rank: Annotated[int, Field(ge=1, le=1024)]
    """Rank of the update."""
    alpha: Annotated[int, Field(ge=1, le=4096)]
    """The update is scaled by alpha / rank."""
    dropout: Share
    """Dropout before the adapter."""
    targets: Annotated[list[str], Field(min_length=1)]
    """Names of the linear layers that get an adapter."""


class ScModel(Strict):
    """How a sequence classifier reads, what it minimises and how it is trained."""

    backbone: str
    """Name under `backbones`: any encoder or decoder that AutoModel loads."""
    seed: Annotated[int, Field(ge=0)]
    """Of initialisation and data order; the folds keep theirs."""
    max_tokens: Annotated[int, Field(ge=16, le=131072)]
    """Longest row; longer narratives lose their middle."""
    pooling: Literal["mean", "first", "last"]
    """Which states stand for the row: the mean of all, the first ([CLS]) or the last token's; SC3 reads its masks."""
    head_dropout: Share
    """Dropout before the head."""
    lora: Lora | None
    """Null: every weight of the backbone is trained."""
    rdrop_form: Literal["mse", "kl"]
    """R-Drop compares the binary logits (mse) or all probabilities (kl)."""
    binary_weight: Weight
    """Weight of the binary cross entropies, summed over the variables."""
    categorical_weight: Weight
    """Weight of each categorical variable's cross entropy."""
    lovasz_weight: Weight
    """Weight of the symmetric Lovasz hinge over a case's binary variables (arXiv 1705.08790); 0: none."""
    focal: Annotated[float, Field(ge=0, le=10)]
    """Exponent of focal loss (arXiv 1708.02002, 2006.04388); 0: plain cross entropy."""
    label_smoothing: Part
    """Share of a uniform guess in every target, soft ones too (arXiv 1512.00567)."""
    learns: Learns
    """What the model learns from beside cases and codes as they are."""
    swap: Share
    """Probability that a training case's narratives change places (SC1, SC3)."""
    rewrite: Share
    """Probability that a training case with a paraphrase is read in it."""
    made_ratio: Weight
    """Made cases that an epoch takes for each coded one; never more than there are."""
    made_epochs: Annotated[int, Field(ge=0)] | None
    """Made cases are used in so many first epochs only; null: in all."""
    epochs: Annotated[int, Field(ge=1, le=1000)]
    """Passes over the training cases."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Cases an optimiser step."""
    micro_tokens: Annotated[int, Field(ge=16)]
    """Token budget of one forward pass; a step is cut into as many as it needs."""
    pool: Annotated[int, Field(ge=1, le=10000)]
    """Steps sorted by length together; 1: purely random batches."""
    learning_rate: Rate
    """Peak rate of the backbone."""
    head_learning_rate: Rate
    """Peak rate of the new head; a pretrained one (SC3) learns at the backbone's."""
    layer_decay: Rate
    """Each layer learns at this share of the rate of the one above, the embeddings slowest; 1: all alike."""
    frozen_layers: Annotated[int, Field(ge=0)] | None
    """The lowest layers that stay as they are, the embeddings with them; 0: the embeddings alone; null: nothing."""
    warmup: Share
    """Share of all steps in which the rate rises."""
    weight_decay: Share
    """AdamW's decay of matrices."""
    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Largest norm of a step's gradient."""
    ema: Part
    """Decay of the moving average of the weights, which is validated and kept; 0: the weights themselves."""
    dropout_from: Share
    """Share of the steps before which nothing drops out (arXiv 2303.01500); 0: dropout from the start."""
    early_stopping: Annotated[int, Field(ge=0, le=1000)]
    """Epochs without a better validation loss before training stops; 0: no validation, the last epoch is kept."""
    gradient_checkpointing: bool
    """Recompute activations in the backward pass: less memory, more time."""
    optimizer: Literal["adamw", "adamw_8bit"]
    """adamw_8bit needs a GPU and bitsandbytes."""
    restarts: Annotated[int, Field(ge=0, le=20)]
    """Fresh starts allowed after a collapse, each with the next initialisation seed."""
