"""The parameters of one masked-language-model training, `mlm.<name>` in params.yaml."""

from typing import Annotated, Any

from pydantic import Field

from abstractor.base.messages import mlm as messages
from abstractor.base.params import Params, Strict


class MlmParams(Strict):
    """Which encoder reads what, and how it is trained."""

    backbone: str
    """Name under `backbones`: an encoder."""
    seed: Annotated[int, Field(ge=0)]
    """Of a new head's initialisation, of data order and of the masks."""
    new_cases: bool
    """Read the new cases' narratives too."""
    max_tokens: Annotated[int, Field(ge=16, le=131072)]
    """Longest row; a longer narrative becomes several rows."""
    epochs: Annotated[int, Field(ge=1, le=1000)]
    """Passes over the narratives."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Rows an optimiser step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    """Peak rate."""
    warmup: Annotated[float, Field(ge=0, lt=1)]
    """Share of the steps in which the rate rises; it falls linearly to 0 afterwards."""
    mask_share: Annotated[float, Field(ge=0.01, le=0.9)]
    """Share of the tokens that are to be guessed."""
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    """AdamW's decay of matrices."""


def check_name(name: str, params: Params) -> None:
    """Refuse a name that a fetched backbone has: both would be the folder models/backbones/<name>.

    Only names under `backbones` are looked at, so a stage need not depend on that section.

    Raises:
        ParamsError: the name stands in both sections.
    """
    if name in params.get("backbones", dict[str, Any]):
        raise messages.name_taken(params.path, name)
