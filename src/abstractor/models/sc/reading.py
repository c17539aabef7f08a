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
from abstractor.models.shared.local import backbone_folder, tidy_adapter
from abstractor.runs.integrity import check_seal, write_seal

HEAD, _READING = "head.safetensors", "classifier.json"


class Reading(NamedTuple):
    """What prediction must know of a trained classifier; kept in its folder."""

    backbone: str
    """Name under `models/backbones`."""
    adapter: bool
    """LoRA: the folder holds an adapter for the backbone, else the whole backbone."""
    form: str
    """A key of `forms.FORMS`."""
    pooling: str
    """See `classifier.pool`."""
    max_tokens: int
    """Longest row."""
    columns: list[str]
    """Outputs of the head, as `codebook.columns`."""

    @classmethod
    def of(cls, design: Design, form: str, codebook: Codebook) -> "Reading":
        """What a classifier built from `design` will have to know."""
        adapter, columns = design.lora is not None, list(codebook.columns)
        return cls(design.backbone, adapter, form, design.pooling, design.max_tokens, columns)

    def source(self, folder: Path) -> Path:
        """Where the backbone's weights lie: in the backbone's folder beside an adapter, else in the classifier's."""
        return backbone_folder(self.backbone) if self.adapter else folder


def save(model: nn.Module, reading: Reading, folder: Path) -> None:
    """Write a model folder, whole or not at all; a head that is no part of what transformers writes lies beside it."""
    assert isinstance(model, SequenceClassifier)
    with replaced(folder) as partial:
        model.backbone.save_pretrained(partial)
        if reading.adapter:
            tidy_adapter(partial, reading.backbone)
        if head := model.head_apart(reading.adapter):
            save_file({name: weight.detach().cpu().contiguous() for name, weight in head}, partial / HEAD)
        write_json(partial / _READING, reading._asdict())
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
