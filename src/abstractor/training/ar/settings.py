"""The parameters of one language model, `models.<name>` in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from abstractor.base.messages import training as messages
from abstractor.models.ar.prompts import Form
from abstractor.models.shared.lora import Lora
from abstractor.training.loop.settings import Training, Weight


class ArModel(Training):
    """How a language model asks and answers, and what it minimises."""

    layout: Literal["packed", "separate"]
    """packed (all questions of a case in one row) or separate (one row a question)."""
    engine: Literal["transformers", "unsloth"]
    """transformers or unsloth (GPU, separate layout only)."""
    quantize: Literal["none", "int8", "nf4"]
    """Frozen weights: none (as they are), int8 or nf4 (bitsandbytes; they run on a CPU too, slowly)."""
    attention: Literal["auto", "sdpa", "eager"]
    """auto (what the architecture is known to compute rightly), sdpa or eager."""
    system: Annotated[str, Field(min_length=1)]
    """System prompt: template (the chat template's own), none, or a text."""
    questions: Form = "apart"
    """apart (each question ends the turn and has an answer of its own), inside (each within the answer), bare (of
    each, within the answer, the variable's name and options alone) or names (all listed before the reports, within the
    answer the names alone)."""
    max_tokens: Annotated[int, Field(ge=64)]
    """Longest prefix (all but the question; a list of questions counts) in tokens, 64 and up; longer reports lose their
    middle."""
    lora: Lora
    """The adapter: {rank, alpha, dropout, targets: [..]}."""
    epochs: Annotated[int, Field(ge=0, le=1000)]
    """Passes over the training cases, 0 to 1000; 0: the model as it is, untrained."""
    train_cases: Annotated[int, Field(ge=1)] | None
    """Cases of a fold's training part to use at most, 1 and up; null: all."""
    rdrop: Weight = 0.0
    """Weight of R-Drop, 0 (one pass) to 100 (arXiv 2106.14448)."""
    loss: Literal["answers", "vocabulary"] = "answers"
    """Cross entropy over the answers' tokens of a question (answers) or over the whole vocabulary (vocabulary)."""

    @field_validator("engine")
    @classmethod
    def _one_row_a_question(cls, engine: str, info: ValidationInfo) -> str:
        """Unsloth replaces the mask of a training pass, so packed questions would read each other."""
        if engine == "unsloth" and info.data.get("layout") == "packed":
            raise messages.unsloth_takes_no_packed_rows()
        return engine

    @field_validator("lora")
    @classmethod
    def _adapters_only(cls, lora: Lora, info: ValidationInfo) -> Lora:
        """Unsloth takes a target lm_head for a wish to train the whole matrix."""
        if info.data.get("engine") == "unsloth" and "lm_head" in lora.targets:
            raise messages.unsloth_trains_the_whole_head()
        return lora
