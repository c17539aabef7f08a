"""SC3's rows and answers: a mask token after each variable's name, read as the word that would fill it.

V variables, K outputs.
"""

from string import ascii_uppercase
from typing import Any, NamedTuple

from abstractor.base.messages import classifiers as messages
from abstractor.data.cases.codebook import Codebook
from abstractor.models.shared.tokenizers import plain_tokens
from abstractor.models.shared.wording import described

LEAST = 8
"""Tokens that the variables must leave for each narrative: with fewer there is nothing to read."""


class Verbalizer(NamedTuple):
    """The tokens whose logits at the masks answer for the variables, in the order of `codebook.columns`."""

    mask: int
    """The mask token."""
    variables: list[int]
    """(K,), which of a row's V masks the output is read at."""
    tokens: list[int]
    """(K,), the word that speaks for the output."""
    against: list[int]
    """(K,), the word that speaks against a binary's; -1 for a code, whose rivals are the other codes."""


def verbalizer(tokenizer: Any, codebook: Codebook) -> Verbalizer:
    """Yes against no for a binary variable, the letters of its options for a categorical one.

    Raises:
        RunError: the tokenizer has no mask token, or no token of its own for each of these words.
    """
    mask = _mask(tokenizer)
    most = max((len(variable.codes) for variable in codebook.variables if variable.kind == "categorical"), default=0)
    yes, no, *options = _single_tokens(tokenizer, ["yes", "no", *ascii_uppercase[:most]])
    variables, tokens, against = [], [], []
    for number, variable in enumerate(codebook.variables):
        binary = variable.kind == "binary"
        variables += [number] * len(variable.columns)
        tokens += [yes] if binary else options[: len(variable.codes)]
        against += [no] if binary else [-1] * len(variable.codes)
    return Verbalizer(mask, variables, tokens, against)


def prompt(tokenizer: Any, codebook: Codebook) -> list[int]:
    """The tokens of all variables, each in words and a mask token after it, in the codebook's order.

    Raises:
        RunError: the tokenizer has no mask token.
    """
    mask = _mask(tokenizer)
    # The space makes a name's first word the token that it is within a text.
    wordings = plain_tokens(tokenizer, [f" {described(variable)}" for variable in codebook.variables])
    return [token for tokens in wordings for token in (*tokens, mask)]


def _mask(tokenizer: Any) -> int:
    if tokenizer.mask_token_id is None:
        raise messages.no_mask_token()
    return int(tokenizer.mask_token_id)


def _single_tokens(tokenizer: Any, words: list[str]) -> list[int]:
    """One token a word: as within a text where the tokenizer tells that apart, else as at its start."""
    for before in (" ", ""):
        found = plain_tokens(tokenizer, [before + word for word in words])
        tokens = [row[0] for row in found if len(row) == 1 and row[0] != tokenizer.unk_token_id]
        if len(tokens) == len(set(tokens)) == len(words):
            return tokens
    raise messages.no_single_tokens(words)
