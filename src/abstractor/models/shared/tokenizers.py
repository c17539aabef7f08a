"""Tokenizers of backbones: what of their tokens is markup, and that no narrative makes it.

Markup steers a model: the special tokens, and of the other added ones those that look like markup (Qwen2.5's
`<tool_call>`, Gemma's `[@BOS@]`) or that the chat template writes. Line ends and runs of blanks, which Gemma adds too,
are text.
"""

import re
from pathlib import Path
from typing import Any

_BRACKETED = re.compile(r"<.+>|\[.+\]|\{.+\}|\|.+\|", re.DOTALL)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder, all of its markup special: `split_special_tokens` then splits what a text spells out.

    transformers is imported here: unsloth, where it is asked for, must come first.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.add_tokens(_unmarked(tokenizer), special_tokens=True)
    return tokenizer


def made_special(folder: Path) -> list[str]:
    """The tokens that `load_tokenizer` makes special, for whoever loads the folder by other means."""
    from transformers import AutoTokenizer

    return _unmarked(AutoTokenizer.from_pretrained(folder, local_files_only=True))


def _unmarked(tokenizer: Any) -> list[str]:
    """Added tokens that are markup, but which the tokenizer does not call special."""
    written = str(tokenizer.chat_template or "")
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if not token.special]
    return [text for text in added if text.strip() and (_BRACKETED.fullmatch(text.strip()) or text in written)]


def special_ids(tokenizer: Any) -> set[int]:
    """Ids of the special tokens, those without a part of their own (Llama-3.2 reserves hundreds) among them."""
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)


def made_by_plain_text(tokenizer: Any) -> str | None:
    """A special token that text can spell out, or None: not every tokenizer obeys `split_special_tokens`."""
    for token in sorted(special_ids(tokenizer)):
        text = str(tokenizer.convert_ids_to_tokens(token))
        if token in tokenizer(f"a{text}b {text} c", add_special_tokens=False, split_special_tokens=True)["input_ids"]:
            return text
    return None


def plain_tokens(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Tokens of texts, none of them special: a report must not end its own row, or bring a mask of its own.

    A special token that a text spells out is split into plain ones. Tokenizers that list them among their pieces
    (Unigram: XLM-RoBERTa, DeBERTa-v2) find them all the same, so these are dropped. The unknown token stays.
    """
    special = special_ids(tokenizer) - {tokenizer.unk_token_id}
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [[token for token in tokens if token not in special] for tokens in encoded]
