"""The parameters of the made-up corpus (section `demo_corpus` of params.yaml)."""

from typing import Annotated

from pydantic import Field

from abstractor.base.params import Strict

MOST_CASES = 100_000


class DemoCorpusParams(Strict):
    """How many cases, how long, how noisy."""

    cases: Annotated[int, Field(ge=20, le=MOST_CASES)]
    """Cases with labels for training."""
    new_cases: Annotated[int, Field(ge=1, le=MOST_CASES)]
    """Further cases, as the new ones to predict."""
    words: Annotated[int, Field(ge=50, le=400)]
    """Mean number of words of a case, over both reports."""
    noise: Annotated[float, Field(ge=0, le=0.2)]
    """Share of labels that differ from the case's facts, as human coders err; mean over all variables."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the corpus alone; the same seed makes the same bytes."""
