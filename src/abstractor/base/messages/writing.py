"""Of writers and of the cases that they write from."""

from collections.abc import Sequence
from pathlib import Path

from abstractor.base.errors import UserError


class WritingError(UserError):
    """A model cannot write as params.yaml asks."""


class SourcesError(UserError):
    """A fold has too few cases for the made cases that params.yaml asks for."""


def no_template() -> WritingError:
    return WritingError("style: template, but the backbone has no chat template; set the style to examples")


def moved_request(times: int) -> WritingError:
    return WritingError(
        f"the chat template writes a request {times} times, expected once; set "
        "the style to examples or choose another backbone"
    )


def special_in_plain(text: str) -> WritingError:
    return WritingError(f"the tokenizer takes a plain {text!r} for a special token; choose another backbone")


def no_language_model(folder: Path, error: Exception) -> WritingError:
    return WritingError(f"{folder} holds no causal language model ({type(error).__name__}); choose another backbone")


def text_does_not_fit(tokens: int, writer: str) -> WritingError:
    return WritingError(
        f"a text after a prompt of {tokens} tokens does not fit in memory; lower writers.{writer}.max_new_tokens, "
        "raise infer.memory_gb or take a larger machine"
    )


def no_numbers(writer: str, dtype: str) -> WritingError:
    return WritingError(
        f"writer {writer} gives the next token no numbers in {dtype}; set infer.dtype to bfloat16 or float32, "
        "or choose another backbone"
    )


def no_vllm() -> WritingError:
    return WritingError("engine: vllm, but vllm is not installed; install it or set engine to transformers")


def vllm_without_gpu() -> WritingError:
    return WritingError("engine: vllm needs a GPU; set engine to transformers")


def not_once(writer: str, writers: Sequence[str]) -> SourcesError:
    times = list(writers).count(writer)
    return SourcesError(f"params.yaml: making: expected {writer} once, found {times} times in {list(writers)}")


def too_few_triples(fold: int, uids: int, most: int, cases: int, writers: int) -> SourcesError:
    limit = most // writers
    lower = f"lower make_cases.cases to {limit} or less" if limit else "use fewer folds"
    return SourcesError(
        f"fold {fold}: {uids} cases with all reports have {most} triples without a common pair, expected "
        f"{cases * writers} ({cases} each of {writers} writers); {lower}"
    )
