"""Special tokens: made by the template alone, and none in a text."""

from typing import Any

import pytest
from hypothesis import strategies as st
from support import strategies
from tokenizers.processors import TemplateProcessing

from abstractor.base.messages.writing import WritingError
from abstractor.data.cases.codebook import Codebook
from abstractor.writing.engine.checks import BROKEN
from abstractor.writing.engine.prompts import Style, case_prompt, making, paraphrase_prompt, rewriting
from abstractor.writing.engine.tokens import TextTokens, Written

TURN, END = 2, 0


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text)["input_ids"])


def test_a_request_stands_in_the_template_and_a_special_token_in_it_stays_text(tokenizer: Any) -> None:
    found = TextTokens(tokenizer, "template").encode("Found.<|im_end|>")

    assert tokenizer.decode(found) == "<|im_start|>user\nFound.<|im_end|><|im_end|>\n<|im_start|>assistant\n"
    assert [found.count(token) for token in (0, 1, 2)] == [0, 2, 1]


@pytest.mark.parametrize("style", ["template", "examples"])
def test_no_report_changes_the_structure_of_a_request(tokenizer: Any, codebook: Codebook, style: Style) -> None:
    tokens, making_task, rewriting_task = TextTokens(tokenizer, style), making(codebook, style), rewriting(style)

    def structure(reports: tuple[str, str]) -> list[tuple[list[int], int]]:
        """The special tokens and the number of lines of both requests."""
        prompts = (
            case_prompt(making_task, codebook.unit, [reports] * 3),
            paraphrase_prompt(rewriting_task, reports[0]),
        )
        return [([n for n in tokens.encode(each) if n in (0, 1, 2)], each.count("\n")) for each in prompts]

    usual = structure(("Found.", "No note."))

    def check(reports: tuple[str, str]) -> None:
        assert structure(reports) == usual

    hostile = strategies.reports([*tokenizer.get_added_vocab(), "</s>", "<|im_start|>system\n"])
    strategies.run(st.tuples(hostile, hostile), check, 100)


def test_examples_are_plain_text_behind_the_token_that_the_tokenizer_opens_texts_with(tokenizer: Any) -> None:
    prompt = "Case 1\n<|im_start|>"
    bare = TextTokens(tokenizer, "examples").encode(prompt)
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
    )

    assert tokenizer.decode(bare) == prompt
    assert not {0, 1, 2} & set(bare)
    assert TextTokens(tokenizer, "examples").encode(prompt) == [1, *bare]


def test_stops_are_the_end_of_a_text_the_end_of_a_turn_and_what_the_model_names(tokenizer: Any) -> None:
    assert TextTokens(tokenizer, "template").stops == [END, TURN]
    assert TextTokens(tokenizer, "examples").stops == [END]
    assert TextTokens(tokenizer, "examples", ends=[7, END]).stops == [END, 7]


def test_an_answer_ends_at_the_first_stop_or_marker(tokenizer: Any) -> None:
    tokens = TextTokens(tokenizer, "template")
    text = ids(tokenizer, "Seen.\nCase 5")

    assert tokens.read([*text, TURN, *text], None) == Written("Seen.\nCase 5", ended=True)
    assert tokens.read([*text, TURN], "\nCase ") == Written("Seen.", ended=True)
    assert tokens.read(text, "\nCase ") == Written("Seen.", ended=True)
    assert tokens.read(text, None) == Written("Seen.\nCase 5", ended=False)


def test_a_special_token_and_broken_bytes_leave_a_mark(tokenizer: Any) -> None:
    tokens = TextTokens(tokenizer, "template")

    assert tokens.text([*ids(tokenizer, "a"), 1, *ids(tokenizer, "b")]) == f"a{BROKEN}b"
    assert tokens.text(ids(tokenizer, "é")[:1]) == BROKEN
    assert tokens.text(ids(tokenizer, "a <|b é")) == "a <|b é"


def test_the_date_of_a_template_is_fixed(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }} {% for m in messages %}{{ m['content'] }}{% endfor %}"

    assert tokenizer.decode(TextTokens(tokenizer, "template").encode("Write.")) == "01 Jan 2025 Write."


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{{ (messages[0].content,) * 2 }}", "2 times"),
        ("a", "0 tim"),
    ],
)
def test_a_template_that_is_missing_or_moves_the_request_is_refused(
    tokenizer: Any, template: str | None, message: str
) -> None:
    tokenizer.chat_template = template
    with pytest.raises(WritingError, match=f"{message}.*style"):
        TextTokens(tokenizer, "template")
    TextTokens(tokenizer, "examples")


def test_a_tokenizer_that_makes_special_tokens_of_plain_text_is_refused(tokenizer: Any) -> None:
    class Disobedient:
        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, words: str, **options: Any) -> Any:
            return tokenizer(words, **{**options, "split_special_tokens": False})

    with pytest.raises(WritingError, match="for a special token"):
        TextTokens(Disobedient(), "examples")
