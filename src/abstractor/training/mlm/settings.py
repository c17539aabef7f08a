"""The parameters of one masked-language-model training, `mlm.<name>` in params.yaml."""

from typing import Annotated, Any

from pydantic import Field

from abstractor.base.messages import mlm as messages
from abstractor.base.params import Params, Strict


class MlmParams(Strict):
    """Which encoder reads what, and how it is trained."""

    backbone: str
    """Name under `backbones`: an encoder. One without a head for masked words gets a new one."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of a new head, of data order and of the masks, added to the global seed; 0 and up."""
    new_cases: bool
    """true: the new cases' narratives are read too. Either way all training cases' are, held-out ones included
    (transductive: the run card says so); no label is."""
    max_tokens: Annotated[int, Field(ge=16, le=131072)]
    """Longest row in tokens, 16 to 131072; a longer narrative becomes several rows."""
    epochs: Annotated[int, Field(ge=1, le=1000)]
    """Passes over the narratives, 1 to 1000."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Rows an optimiser step, 1 to 4096."""
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    """Peak learning rate, above 0 to 1."""
    warmup: Annotated[float, Field(ge=0, lt=1)]
    """Share of the steps in which the rate rises, 0 to below 1; it falls linearly to 0 afterwards."""
    mask_share: Annotated[float, Field(ge=0.01, le=0.9)]
    """Share of the tokens that are to be guessed, 0.01 to 0.9."""
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    """AdamW's decay of weight matrices, 0 to 1."""


def check_name(name: str, params: Params) -> None:
    """Refuse a name that a fetched backbone has: both would be the folder models/backbones/<name>.

    Only names under `backbones` are looked at, so a stage need not depend on that section.

    Raises:
        ParamsError: the name stands in both sections.
    """
    if name in params.get("backbones", dict[str, Any]):
        raise messages.name_taken(params.path, name)
