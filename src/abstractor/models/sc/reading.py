"""A trained classifier's folder: what transformers or peft would write, how it reads a case, a seal."""

import json
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import save_file
from torch import nn

from abstractor.base.files import replaced, write_json
from abstractor.base.messages import classifiers as messages
from abstractor.data.cases.codebook import Codebook
from abstractor.models.sc.backbone import Design
from abstractor.models.sc.classifier import SequenceClassifier
from abstractor.models.shared.local import Complete, backbone_folder, tidy_adapter
from abstractor.runs.integrity import check_seal, write_seal

HEAD, _READING = "head.safetensors", "classifier.json"
VARIANT = "backbone"
"""Of the weights of a classifier trained in full: `model.backbone.safetensors`.

A class that is not told so finds no weights and refuses the folder. Otherwise transformers' own classifiers would put a
random head on them and say so in a warning at most.
"""


class Reading(NamedTuple):
    """What prediction must know of a trained classifier; kept in its folder."""

    backbone: str
    """Name under `models/backbones`."""
    adapter: bool
    """LoRA: the folder holds an adapter for the backbone, else the whole backbone."""
    form: str
    """A key of `forms.FORMS`."""
    pooling: str
    """See `classifier.Classifier`."""
    max_tokens: int
    """Longest row."""
    columns: list[str]
    """Outputs of the head, as `codebook.columns`."""

    @classmethod
    def of(cls, design: Design, form: str, codebook: Codebook) -> "Reading":
        """What a classifier built from `design` will have to know."""
        adapter, columns = design.lora is not None, list(codebook.columns)
        return cls(design.backbone, adapter, form, design.pooling, design.max_tokens, columns)

    def source(self, folder: Path) -> tuple[Path, str | None]:
        """Folder and variant of the backbone's weights: the backbone's own beside an adapter, else the classifier's."""
        return (backbone_folder(self.backbone), None) if self.adapter else (folder, VARIANT)


def save(model: nn.Module, reading: Reading, folder: Path, complete: Complete | None = None) -> None:
    """Write a model folder, whole or not at all; a head that is no part of what transformers writes lies beside it.

    Args:
        model: a classifier.
        reading: how it reads a case.
        folder: replaced when the new one is whole.
        complete: adds what the model's own code does not read, such as a card; None: nothing.
    """
    assert isinstance(model, SequenceClassifier)
    with replaced(folder) as partial:
        model.backbone.save_pretrained(partial, **({} if reading.adapter else {"variant": VARIANT}))
        if reading.adapter:
            tidy_adapter(partial, reading.backbone)
        if head := model.head_apart(reading.adapter):
            save_file({name: weight.detach().cpu().contiguous() for name, weight in head}, partial / HEAD)
        write_json(partial / _READING, reading._asdict())
        if complete is not None:
            complete(partial, folder)
        write_seal(partial, folder)


def read(folder: Path, codebook: Codebook) -> Reading:
    """How the trained classifier of a folder reads.

    Raises:
        SealError: the folder is not what training wrote there.
        RunError: it holds no classifier, or one for other variables.
    """
    check_seal(folder)
    if not (folder / _READING).is_file():
        raise messages.no_classifier(folder)
    reading = Reading(**json.loads((folder / _READING).read_text(encoding="utf-8")))
    if reading.columns != list(codebook.columns):
        raise messages.other_variables(folder, codebook.dataset)
    return reading
