"""Text to the tokens of a language model, inside the frame of its chat template.

Only the template may make special tokens: what a narrative spells out is encoded as plain text, apart from the frame.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

DATE = datetime(2025, 1, 1)
"""Written by templates that write today's date; fixed, or a prompt would change from day to day."""


def render(tokenizer: Any, messages: Sequence[tuple[str, str]], opened: bool = True) -> str:
    """Messages as the chat template writes them.

    Args:
        tokenizer: of transformers, with a chat template.
        messages: role (system, user, assistant) and text of each.
        opened: whether the beginning of an answer follows.

    Raises:
        TemplateError: of jinja2; the template refuses a role.
    """
    return str(
        tokenizer.apply_chat_template(
            [{"role": role, "content": text} for role, text in messages],
            tokenize=False,
            add_generation_prompt=opened,
            date_string=DATE.strftime("%d %b %Y"),
            strftime_now=DATE.strftime,
        )
    )


def encode(tokenizer: Any, text: str, plain: bool) -> list[int]:
    """The ids of a text on its own; of a plain one, "<|im_end|>" stays seven harmless tokens or so."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=plain, verbose=False)["input_ids"])
