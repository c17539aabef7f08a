"""What is said of a written text, against numbers counted by hand."""

import pytest

from abstractor.writing.engine.checks import copied_share, is_plain, tally, words

SOURCE = "He was last seen at home, and a note was found."
"""Seven runs of five words: He was last seen at .. a note was found."""


def test_words_know_no_case_and_no_punctuation() -> None:
    assert words("The V's mother (46) -- was TOLD.") == ["the", "v", "s", "mother", "46", "was", "told"]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (SOURCE, 1.0),
        ("HE WAS LAST SEEN AT HOME", 1.0),
        ("He was last seen at school today", 1 / 3),
        ("A note was found at home", 0.0),
        ("a note was found", 0.0),
        ("", 0.0),
    ],
)
def test_the_copied_share_counts_runs_of_five_words(text: str, share: float) -> None:
    assert copied_share([text], [[SOURCE]]) == pytest.approx(share)


def test_the_copied_share_is_that_of_the_most_copied_source_over_all_reports() -> None:
    reports = ["one two three four five six", "a b c d e"]
    sources = [["one two three four five", "-"], ["zero one two three four five six", "a b c"], ["five six a b c d e"]]

    assert [copied_share(reports, [source]) for source in sources] == pytest.approx([1 / 3, 2 / 3, 1 / 3])
    assert copied_share(reports, sources) == pytest.approx(2 / 3)
    assert copied_share(["five six a b c"], [["five six", "a b c"]]) == 0, "a run does not reach from report to report"


@pytest.mark.parametrize("text", ["a\x00b", "a\rb", "\x1b[0m", "a\ufffdb", "a\u200bb", "\ue000"])
def test_control_characters_and_broken_bytes_are_not_plain(text: str) -> None:
    assert not is_plain(text)


def test_letters_of_any_language_marks_and_line_ends_are_plain() -> None:
    assert is_plain("Seen\tat 5 p.m. — “fine”,\nsaid José\u00a0M. <|im_end|>")


def test_a_tally_adds_up() -> None:
    assert tally([None, "truncated", None, "near_copy", "truncated", "malformed"]) == {
        "asked": 6,
        "kept": 2,
        "dropped": {"malformed": 1, "truncated": 2, "too_short": 0, "near_copy": 1},
    }
