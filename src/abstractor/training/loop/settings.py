"""The settings that every model's training has, whatever the model: declared here, read by `fit` and `split`."""

from typing import Annotated, Literal

from pydantic import Field

from abstractor.base.learns import Learns
from abstractor.base.params import Strict

Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=100)]


class Training(Strict):
    """What a model learns from, how long and how fast (`models.<name>`)."""

    backbone: str
    """Name under `backbones`, or under `mlm` (encoders)."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of initialisation and data order, added to the global seed; 0 and up. The folds do not depend on it."""
    learns: Learns
    """What it learns from beside cases and codes as they are."""
    swap: Share
    """Probability that a training case's narratives change places, 0 to 1."""
    rewrite: Share
    """Probability that a training case is read in its paraphrase, where it has one, 0 to 1."""
    made_ratio: Weight
    """Made cases that an epoch takes for each coded one, 0 to 100; never more than there are."""
    made_epochs: Annotated[int, Field(ge=0)] | None
    """Made cases are learnt from in so many first epochs only, 0 and up; null: in all."""
    epochs: Annotated[int, Field(ge=1, le=1000)]
    """Passes over the training cases, 1 to 1000."""
    least_steps: Annotated[int, Field(ge=0, le=1000000)]
    """Optimiser steps at least, 0 (off) to 1000000: where `epochs` passes make fewer, passes are added."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Cases an optimiser step, 1 to 4096."""
    micro_tokens: Annotated[int, Field(ge=16)]
    """Token budget of one forward pass, 16 and up; a step is cut into as many passes as it needs."""
    pool: Annotated[int, Field(ge=1, le=10000)]
    """Steps sorted by length together, 1 to 10000; 1: purely random batches."""
    learning_rate: Rate
    """Peak learning rate of what was pretrained, or of its adapters, above 0 to 1."""
    warmup: Share
    """Share of the steps in which the rates rise, 0 to 1; they fall linearly to 0 afterwards."""
    weight_decay: Share
    """AdamW's decay of weight matrices, 0 to 1."""
    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Largest norm of a step's gradient, above 0."""
    ema: Part
    """Decay of the moving average of the weights that is validated and kept, 0 (off) to below 1; rises to it over the
    first steps."""
    dropout_from: Share
    """Share of the steps before which all dropout is off, 0 (never off) to 1 (arXiv 2303.01500)."""
    early_stopping: Annotated[int, Field(ge=0, le=1000)]
    """Epochs without a better validation loss before training stops, 0 to 1000; 0: no validation, the last epoch is
    kept."""
    gradient_checkpointing: bool
    """true: recompute activations in the backward pass, which takes less memory and about a third more time."""
    optimizer: Literal["adamw", "adamw_8bit"]
    """adamw, or adamw_8bit (bitsandbytes): moments of one byte each in the place of four, but for embeddings."""
    restarts: Annotated[int, Field(ge=0, le=20)]
    """Fresh starts after a collapse, each with the next seed and half the rates of the one before, 0 to 20."""
