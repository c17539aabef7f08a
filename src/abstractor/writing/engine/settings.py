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
    """Seed of the sampling, added to the global seed; 0 and up."""
    engine: Literal["auto", "transformers", "vllm"]
    """transformers, vllm (GPU; an optional package that is not in the lock files) or auto (vllm where both are
    there)."""
    style: Literal["template", "examples"]
    """template (a request in the chat template) or examples (numbered examples to continue; small models follow
    better)."""
    temperature: Annotated[float, Field(gt=0, le=2)]
    """Of the distribution that tokens are drawn from, above 0 to 2; below 1: likely tokens more often, above 1:
    less."""
    top_p: Annotated[float, Field(gt=0, le=1)]
    """Tokens are drawn from the likeliest ones that together have this probability, above 0 to 1 (arXiv 1904.09751)."""
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Texts written at a time, 1 to 4096; another number draws other texts. What does not fit in memory is halved and
    tried again, and draws others too."""
    max_new_tokens: Annotated[int, Field(ge=16, le=16384)]
    """Longest text in tokens, 16 to 16384; one that does not end within it is dropped."""


class MakeCases(Strict):
    """New cases, each after three real ones of a fold (params section `make_cases`)."""

    cases: Annotated[int, Field(ge=1, le=1_000_000)]
    """Asked of each writer, per fold, 1 to 1000000; no two cases of a fold are sources together twice, which sets a
    limit."""
    least_words: Annotated[int, Field(ge=1, le=10_000)]
    """A made case with a report of fewer words is dropped, 1 to 10000."""
    most_copied: Share
    """Largest share of a made case's runs of five words that may stand in any one of its sources, 0 to 1."""


class Rewrite(Strict):
    """Paraphrases of the narratives (params section `rewrite`)."""

    least_share: Share
    """Words of a paraphrase over words of its source, at least, 0 to 1."""
    most_copied: Share
    """Largest share of a paraphrase's runs of five words that may stand in its source, 0 to 1."""
