"""The parameters of one language model: `models.<name>` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from abstractor.base.params import Strict
from abstractor.training.lessons.examples import Learns

Share = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


class Lora(Strict):
    """The low-rank adapter (arXiv 2106.09685)."""

    rank: Positive
    """Rank of the update of each weight matrix."""
    alpha: Positive
    """The update is scaled by alpha / rank."""
    dropout: Dropout
    """Dropout before the update."""
    targets: Annotated[list[str], Field(min_length=1)]
    """Names of the adapted layers, for example q_proj; lm_head may be one of them."""


class ArModel(Strict):
    """One language model that answers one question per variable."""

    backbone: str
    """A name under `backbones`."""
    seed: Annotated[int, Field(ge=0)]
    """Of initialisation and data order; the folds keep theirs."""
    layout: Literal["packed", "separate"]
    """packed: all questions of a case share one row with its reports; separate: one row a question."""
    engine: Literal["transformers", "unsloth"]
    """The code that trains."""
    quantize: Literal["none", "int8", "nf4"]
    """Precision of the frozen weights; int8 and nf4 need a GPU and the `gpu` extra."""
    attention: Literal["auto", "sdpa", "eager"]
    """auto: what the architecture is known to compute rightly."""
    system: Annotated[str, Field(min_length=1)]
    """System prompt. template: what the chat template writes by itself; none: empty; any other text is the prompt."""
    max_tokens: Annotated[int, Field(ge=64)]
    """Longest prefix (all but the question) in tokens; longer reports are cut in the middle."""
    lora: Lora
    """The adapter."""
    learns: Learns
    """What the model learns from beside cases and codes as they are."""
    swap: Share
    """Probability that a training case has its two reports in the other order."""
    rewrite: Share
    """Probability that a training case with a paraphrase is read in it."""
    made_ratio: Annotated[float, Field(ge=0, le=100)]
    """Made cases that an epoch takes for each coded one; never more than there are."""
    made_epochs: Annotated[int, Field(ge=0)] | None
    """Made cases are used in so many first epochs only; null: in all."""
    train_cases: Positive | None
    """Cases of a fold's training part to use at most; null: all."""
    epochs: Positive
    """Passes over the training cases at most."""
    batch_size: Positive
    """Cases per optimiser step."""
    micro_tokens: Annotated[int, Field(ge=16)]
    """Token budget of one forward pass; a step is cut into as many as it needs."""
    pool: Positive
    """Steps sorted by length together; 1: purely random batches."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Peak learning rate."""
    warmup: Share
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Decoupled weight decay."""
    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Largest norm of the gradient."""
    ema: Annotated[float, Field(ge=0, lt=1)]
    """Decay of the moving average of the weights, which is validated and kept; 0: the weights themselves."""
    dropout_from: Share
    """Share of the steps before which nothing drops out (arXiv 2303.01500); 0: dropout from the start."""
    early_stopping: Annotated[int, Field(ge=0)]
    """Epochs without a better validation loss before training ends; 0: never."""
    rdrop: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Weight of the divergence between two passes with different dropout (arXiv 2106.14448); 0: one pass."""
    loss: Literal["answers", "vocabulary"] = "answers"
    """Cross entropy over the answer tokens of a question, or over the whole vocabulary."""
    gradient_checkpointing: bool
    """Recompute activations in the backward pass: less memory, about a third more time."""
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    """adamw_8bit needs a GPU and the `gpu` extra."""
    restarts: Annotated[int, Field(ge=0)]
    """Restarts with the next initialisation seed after a collapse, at most."""

    @field_validator("engine")
    @classmethod
    def _one_row_a_question(cls, engine: str, info: ValidationInfo) -> str:
        """Unsloth replaces the mask of a training pass, so packed questions would read each other."""
        if engine == "unsloth" and info.data.get("layout") == "packed":
            raise ValueError("unsloth cannot train packed questions; set layout: separate, or engine: transformers")
        return engine

    @field_validator("lora")
    @classmethod
    def _adapters_only(cls, lora: Lora, info: ValidationInfo) -> Lora:
        """Unsloth takes a target lm_head for a wish to train the whole matrix."""
        if info.data.get("engine") == "unsloth" and "lm_head" in lora.targets:
            raise ValueError("unsloth would train all of lm_head; leave it out of targets, or set engine: transformers")
        return lora
