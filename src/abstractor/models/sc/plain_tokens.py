"""Narratives to tokens, none of them special."""

from typing import Any


def plain_tokens(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Tokens of texts, none of them special: a report must not end its own row, or bring a mask of its own.

    A special token that a text spells out is split into plain ones. Tokenizers that list them among their pieces
    (Unigram: XLM-RoBERTa, DeBERTa-v2) find them all the same, so these are dropped. The unknown token stays.
    """
    special = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [[token for token in tokens if token not in special] for tokens in encoded]
