"""What a model learns from, as params.yaml says it."""

from typing import Annotated, Literal

from pydantic import Field

from abstractor.base.params import Strict

Round = Annotated[int, Field(ge=1, le=9)]
"""Number of a round of training; the first one learns from coded cases alone."""


class Learns(Strict):
    """What a model learns from beside cases and codes as they are (`models.<name>.learns`)."""

    labels: Literal["coded", "corrected"]
    """coded (the codes as given) or corrected (by correct_labels, which `correcting` switches on)."""
    rewrites: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """none, or a writer of `rewriting`, in whose paraphrases a case may be read."""
    made: Round | Literal["none"]
    """none, or a round of `rounds`: made cases with the soft labels of that round's members."""
