"""A trained language model's folder: its adapter, how it reads a case, a seal."""

import json
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_args

from abstractor.base.files import replaced, write_json
from abstractor.base.messages import language_models as messages
from abstractor.data.cases.codebook import Codebook
from abstractor.models.ar.prompts import Form
from abstractor.models.shared.local import Complete, tidy_adapter
from abstractor.runs.integrity import check_seal, write_seal

_READING = "reading.json"


class Design(Protocol):
    """What of a model's settings says how it reads; see `Reading`."""

    @property
    def backbone(self) -> str:
        """Name under `models/backbones`."""

    @property
    def layout(self) -> str:
        """packed or separate."""

    @property
    def attention(self) -> str:
        """auto, sdpa or eager."""

    @property
    def quantize(self) -> str:
        """none, int8 or nf4."""

    @property
    def system(self) -> str:
        """template, none or a text."""

    @property
    def questions(self) -> Form:
        """Where the questions stand."""

    @property
    def max_tokens(self) -> int:
        """Longest prefix."""


class Reading(NamedTuple):
    """What prediction must know of a trained language model; kept in its folder."""

    backbone: str
    """Name under `models/backbones`."""
    layout: str
    """packed or separate."""
    attention: str
    """auto, sdpa or eager."""
    quantize: str
    """Precision of the frozen weights: none, int8 or nf4."""
    system: str
    """System prompt: template, none or a text."""
    questions: Form
    """Where the questions stand: apart, inside, bare or names."""
    max_tokens: int
    """Longest prefix in tokens."""
    columns: list[str]
    """What the adapter learned to answer, as `codebook.columns`."""

    @classmethod
    def of(cls, design: Design, codebook: Codebook) -> "Reading":
        """What a model trained with these settings will have to know."""
        columns = list(codebook.columns)
        return cls(
            design.backbone,
            design.layout,
            design.attention,
            design.quantize,
            design.system,
            design.questions,
            design.max_tokens,
            columns,
        )


def save(model: Any, reading: Reading, folder: Path, complete: Complete | None = None) -> None:
    """Write the adapter, its reading and the seal: the same bytes wherever and whenever it is written.

    Args:
        model: a PEFT model.
        reading: how the model reads a case.
        folder: replaced when the new one is whole.
        complete: adds what the model's own code does not read, such as a card; None: nothing.
    """
    with replaced(folder) as partial:
        # Else PEFT stores the whole head beside an adapter of the head, and asks the hub about the vocabulary.
        model.save_pretrained(partial, save_embedding_layers=False)
        tidy_adapter(partial, reading.backbone)
        write_json(partial / _READING, reading._asdict())
        if complete is not None:
            complete(partial, folder)
        write_seal(partial, folder)


def read(folder: Path, codebook: Codebook) -> Reading:
    """How the trained model of a folder reads.

    Raises:
        SealError: the folder is not what training wrote there.
        ModelError: it holds no language model, one that reads in a way unknown here, or one for other variables.
    """
    check_seal(folder)
    if not (folder / _READING).is_file():
        raise messages.no_language_model(folder)
    content = json.loads((folder / _READING).read_text(encoding="utf-8"))
    if content.keys() != set(Reading._fields) or content["questions"] not in get_args(Form):
        raise messages.unknown_reading(folder)
    reading = Reading(**content)
    if reading.columns != list(codebook.columns):
        raise messages.other_variables(folder, codebook.dataset)
    return reading
