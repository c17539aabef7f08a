"""Prediction."""

from abstractor.base.errors import UserError


class ScoringError(UserError):
    """A case does not fit in memory, or the model gives it no numbers."""


def case_does_not_fit(rows: int, tokens: int) -> ScoringError:
    return ScoringError(
        f"a case of {rows} rows of {tokens} tokens does not fit in memory; lower max_tokens of the model, raise "
        "infer.memory_gb or take a larger machine"
    )


def no_numbers(dtype: str) -> ScoringError:
    return ScoringError(
        f"expected probabilities, found what is no number, in {dtype}; in float16 set infer.dtype to bfloat16 or "
        "float32, else train the model again: it has diverged"
    )
