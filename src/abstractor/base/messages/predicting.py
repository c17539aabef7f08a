"""Prediction."""

from abstractor.base.errors import UserError


class ScoringError(UserError):
    """A case does not fit in memory."""


def case_does_not_fit(rows: int, tokens: int) -> ScoringError:
    return ScoringError(
        f"a case of {rows} rows of {tokens} tokens does not fit in memory; lower max_tokens of the model, raise "
        "infer.memory_gb or take a larger machine"
    )
