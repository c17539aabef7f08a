"""The parameters of the made-up corpus (section `demo_corpus` of params.yaml)."""

from typing import Annotated

from pydantic import Field

from abstractor.base.params import Strict

MOST_CASES = 100_000


class DemoCorpusParams(Strict):
    """How many cases, how long, how noisy."""

    cases: Annotated[int, Field(ge=20, le=MOST_CASES)]
    """Made-up coded cases, 20 to 100000."""
    new_cases: Annotated[int, Field(ge=1, le=MOST_CASES)]
    """Made-up new cases, to be predicted, 1 to 100000."""
    words: Annotated[int, Field(ge=50, le=400)]
    """Mean words of a case, both reports together, 50 to 400."""
    noise: Annotated[float, Field(ge=0, le=0.2)]
    """Share of labels that the made-up coders got wrong, mean over the variables, 0 to 0.2."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the made-up corpus alone, 0 and up; the same seed makes the same bytes."""
