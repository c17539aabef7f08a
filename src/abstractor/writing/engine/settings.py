"""The parameters of one writer, `writers.<name>` in params.yaml, and of the two stages that use writers."""

from typing import Annotated, Literal

from pydantic import Field

from abstractor.base.params import Strict

Share = Annotated[float, Field(ge=0, le=1)]


class Writer(Strict):
    """A causal language model and how it is made to write."""

    backbone: str
    """Name under `backbones`: any language model that AutoModelForCausalLM loads."""
    seed: Annotated[int, Field(ge=0)]
    """Of the sampling, added to the global seed."""
    engine: Literal["auto", "transformers", "vllm"]
    """`auto`: vllm where it is installed and a GPU is there, else transformers."""
    style: Literal["template", "examples"]
    """`template`: a request in the chat template. `examples`: plain text to be continued after numbered examples."""
    temperature: Annotated[float, Field(gt=0, le=2)]
    """Above 1 flattens the distribution that tokens are drawn from, below 1 sharpens it."""
    top_p: Annotated[float, Field(gt=0, le=1)]
    """Tokens are drawn from the likeliest ones that together have this probability (arXiv 1904.09751)."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Texts written at a time."""
    max_new_tokens: Annotated[int, Field(ge=16, le=16384)]
    """Longest text; one that does not end within it is dropped."""


class MakeCases(Strict):
    """New cases, each after three real ones of a fold (params section `make_cases`)."""

    cases: Annotated[int, Field(ge=1, le=1_000_000)]
    """Asked of each writer, per fold."""
    least_words: Annotated[int, Field(ge=1, le=10_000)]
    """A made case with a shorter report is dropped."""
    most_copied: Share
    """Largest share of a made case's runs of five words that may stand in any one of its sources."""


class Rewrite(Strict):
    """Paraphrases of the narratives (params section `rewrite`)."""

    least_share: Share
    """Words of a paraphrase over words of its source, at least."""
    most_copied: Share
    """Largest share of a paraphrase's runs of five words that may stand in its source."""
