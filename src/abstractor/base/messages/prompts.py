"""Of prompts for language models that classify."""

from collections.abc import Sequence

from abstractor.base.errors import UserError


class PromptError(UserError):
    """A tokenizer, its chat template and the codebook do not fit together."""


def no_room(least: int, fixed: int, found: int) -> PromptError:
    return PromptError(f"max_tokens: expected {least} or more ({fixed} go to all but reports), found {found}")


def control_in_plain(text: str) -> PromptError:
    return PromptError(f"the tokenizer takes a plain {text!r} for a control token; choose another backbone")


def answers_unlike(variable: str, words: Sequence[str], lengths: Sequence[int]) -> PromptError:
    return PromptError(
        f"variable {variable}: expected {words[0]} to {words[-1]} to be distinct single tokens, "
        f"found lengths {list(lengths)}; choose another backbone"
    )


def no_system_prompt() -> PromptError:
    return PromptError("the chat template takes no system prompt of its own; set system: template or none")


def moved_text(times: int) -> PromptError:
    return PromptError(
        f"the chat template writes the user's text {times} times, expected once; choose another backbone"
    )
