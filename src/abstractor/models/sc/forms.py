"""The forms of a sequence classifier: how a case becomes rows, and which model answers. The one place to choose one.

Concatenated  SC1  both narratives in one row, a linear head
Apart         SC2  each narrative in a row of its own, the larger logit of both, a linear head
Masked        SC3  both narratives and a prompt with a mask a variable, the masked-LM head
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from abstractor.base.messages import classifiers as messages
from abstractor.data.cases.codebook import Codebook
from abstractor.models.sc import backbone, families, mask_classifier, mask_prompt
from abstractor.models.sc.backbone import Design
from abstractor.models.sc.classifier import Classifier, SequenceClassifier
from abstractor.models.sc.columns import variables
from abstractor.models.sc.label_head import LabelHead
from abstractor.models.sc.mask_classifier import MaskedClassifier
from abstractor.models.sc.reading import HEAD, Reading
from abstractor.models.sc.rows import RowBuilder, each_apart, micro_batch, together
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.tokenizers import plain_tokens


class Form(ABC):
    """What tells one form from another."""

    @abstractmethod
    def rows(self, tokenizer: Any, codebook: Codebook, max_tokens: int) -> RowBuilder:
        """What makes the rows of a case, `max_tokens` long at most.

        Raises:
            RunError: the form does not fit the tokenizer, or `max_tokens` leaves next to nothing for the narratives.
        """

    @abstractmethod
    def build(self, design: Design, codebook: Codebook, dtype: torch.dtype = torch.float32) -> SequenceClassifier:
        """A classifier to train, in float32: pretrained backbone, fresh adapters, fresh head where it has no other.

        Args:
            design: of the model.
            codebook: the variables.
            dtype: of the arithmetic, which autocast sees to.

        Raises:
            RunError: the backbone cannot read rows of `max_tokens`, or does not fit the form.
            ArchitectureError: the backbone cannot compute in `dtype`, or not with the attention asked for.
        """

    @abstractmethod
    def load(self, folder: Path, reading: Reading, codebook: Codebook, dtype: torch.dtype) -> SequenceClassifier:
        """A trained classifier; arguments as in `load`."""


class Concatenated(Form):
    """SC1: a linear head reads one row a case."""

    def rows(self, tokenizer: Any, codebook: Codebook, max_tokens: int) -> RowBuilder:
        """Both narratives in one row."""
        return RowBuilder(tokenizer, codebook, max_tokens, together)

    def build(self, design: Design, codebook: Codebook, dtype: torch.dtype = torch.float32) -> Classifier:
        """A new linear head on the pretrained backbone, which reads the questions if the head asks any."""
        folder = backbone_folder(design.backbone)
        base = backbone.pretrained(folder, design.max_tokens, dtype, attention=design.attention)
        questions = self._questions(base, design, codebook) if design.pooling == "labels" else None
        adapted = backbone.to_train(base, design)
        model = Classifier(adapted, variables(codebook), design.pooling, design.head_dropout, design.head_samples)
        if questions is not None:
            assert isinstance(model.head, LabelHead)
            model.head.ask(*questions)
        return model

    def _questions(self, base: Any, design: Design, codebook: Codebook) -> tuple[Tensor, Tensor]:
        """States and mask of each variable's question, read as a narrative is, (V, L, H) and (V, L)."""
        tokenizer = backbone.load_tokenizer(design.backbone)
        builder = self.rows(tokenizer, codebook, design.max_tokens)
        asked = plain_tokens(tokenizer, [variable.question for variable in codebook.variables])
        batch = micro_batch([builder.rows([tokens]) for tokens in asked], [[]] * len(asked), builder.special.pad)
        with torch.no_grad():
            return families.states(base, batch["input_ids"], batch["attention_mask"]), batch["attention_mask"]

    def load(self, folder: Path, reading: Reading, codebook: Codebook, dtype: torch.dtype) -> Classifier:
        """The linear head lies beside the backbone."""
        source, variant = reading.source(folder)
        base = backbone.pretrained(source, reading.max_tokens, dtype, variant)
        model = Classifier(
            backbone.trained(base, folder, reading.adapter), variables(codebook), reading.pooling, dropout=0.0
        )
        model.head.load_state_dict(load_file(folder / HEAD))
        return model


class Apart(Concatenated):
    """SC2: the linear head reads each narrative by itself, and the larger logit counts."""

    def rows(self, tokenizer: Any, codebook: Codebook, max_tokens: int) -> RowBuilder:
        """A row for each narrative that is not empty."""
        return RowBuilder(tokenizer, codebook, max_tokens, each_apart)


class Masked(Form):
    """SC3: the masked-LM head fills a mask after each variable's name."""

    def rows(self, tokenizer: Any, codebook: Codebook, max_tokens: int) -> RowBuilder:
        """Both narratives in one row that ends with all variables, which are never cut."""
        builder = RowBuilder(tokenizer, codebook, max_tokens, together, mask_prompt.prompt(tokenizer, codebook))
        narratives = len(codebook.narratives)
        room, least = max_tokens - builder.fixed(range(narratives)), mask_prompt.LEAST * narratives
        if room < least:
            raise messages.no_room_for_narratives(len(builder.closing), max_tokens - room + least, max_tokens)
        return builder

    def build(self, design: Design, codebook: Codebook, dtype: torch.dtype = torch.float32) -> MaskedClassifier:
        """The backbone's own masked-LM head, or a new one where it has none."""
        words = mask_prompt.verbalizer(backbone.load_tokenizer(design.backbone), codebook)
        folder = backbone_folder(design.backbone)
        options = backbone.options(folder, design.max_tokens, dtype, attention=design.attention)
        model, head = mask_classifier.pretrained(folder, **options)
        return MaskedClassifier(backbone.to_train(model, design), words, design.head_dropout, head)

    def load(self, folder: Path, reading: Reading, codebook: Codebook, dtype: torch.dtype) -> MaskedClassifier:
        """The head belongs to the model that transformers reads, but for a new one beside an adapter."""
        words = mask_prompt.verbalizer(backbone.load_tokenizer(reading.backbone), codebook)
        source, variant = reading.source(folder)
        options = backbone.options(source, reading.max_tokens, dtype, variant)
        base, head = mask_classifier.pretrained(source, **options)
        model = MaskedClassifier(backbone.trained(base, folder, reading.adapter), words, 0.0, head)
        if head == "new":  # a folder of all weights holds the head's as well
            model.set_head(load_file(folder / HEAD))
        return model


FORMS: dict[str, Form] = {"concatenated": Concatenated(), "apart": Apart(), "masked": Masked()}
"""By the name that stages and model folders use."""


def load(folder: Path, reading: Reading, codebook: Codebook, dtype: torch.dtype = torch.float32) -> SequenceClassifier:
    """A trained classifier in evaluation mode.

    Args:
        folder: of the classifier.
        reading: as `reading.read` found it, so that no unchecked folder is loaded.
        codebook: the variables.
        dtype: of the arithmetic, which autocast sees to.

    Raises:
        RunError: its backbone has not been fetched.
        ArchitectureError: the backbone cannot compute in `dtype`.
    """
    return FORMS[reading.form].load(folder, reading, codebook, dtype).eval()
