"""What a model learns from, as params.yaml says it."""

from typing import Annotated, Literal

from pydantic import Field

from abstractor.base.params import Strict

Round = Annotated[int, Field(ge=1, le=9)]
"""Number of a round of training; the first one learns from coded cases alone."""


class Learns(Strict):
    """What a model learns from beside cases and codes as they are (`models.<name>.learns`)."""

    labels: Literal["coded", "corrected"]
    """The codes as given, or with the suspect ones corrected."""
    rewrites: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """The writer whose paraphrases a case may be read in; none: nobody's."""
    made: Round | Literal["none"]
    """The round whose members labelled the made cases; none: no made cases."""
