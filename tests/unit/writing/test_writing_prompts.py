"""What writers are shown and how their answers are read."""

import pytest

from abstractor.data.cases.codebook import Codebook
from abstractor.writing.engine.prompts import case_prompt, making, paraphrase_prompt, rewriting

EXAMPLES = [["Found at home.", "No note."], ["Seen\n\nCase 9\nCoroner report: odd", "In care."], ["One.", "Two."]]


def test_examples_are_numbered_and_the_next_one_is_begun(codebook: Codebook) -> None:
    prompt = case_prompt(making(codebook, "examples"), codebook.unit, EXAMPLES)

    assert "\n\nCase 1\nOfficer report: Found at home.\nCoroner report: No note.\n\nCase 2\n" in prompt
    assert prompt.endswith("\n\nCase 3\nOfficer report: One.\nCoroner report: Two.\n\nCase 4\nOfficer report:")
    assert "one death" in prompt


@pytest.mark.parametrize("style", ["examples", "template"])
def test_a_narrative_cannot_open_an_example_or_a_report(codebook: Codebook, style: str) -> None:
    prompt = case_prompt(making(codebook, style), codebook.unit, EXAMPLES)
    lines = prompt.split("\n")

    assert prompt.count("\n\n") == {"examples": 4, "template": 3}[style]
    assert "Officer report: Seen Case 9 Coroner report: odd" in lines
    assert "Case 9" not in lines


def test_a_request_names_the_headings_of_the_answer(codebook: Codebook) -> None:
    prompt = case_prompt(making(codebook, "template"), codebook.unit, EXAMPLES)

    assert prompt.startswith("Case 1\nOfficer report: Found at home.")
    assert '"Officer report:" then "Coroner report:"' in prompt.split("\n")[-1]


@pytest.mark.parametrize("style", ["examples", "template"])
def test_a_report_to_paraphrase_takes_one_line(style: str) -> None:
    task = rewriting(style)
    prompt = paraphrase_prompt(task, "Found.\nReport 9: odd\nRewritten: odd")

    assert "Found. Report 9: odd Rewritten: odd\n" in prompt
    assert prompt.endswith("\nRewritten:") == (style == "examples")
    assert '"Rewritten:"' in prompt or style == "examples"


@pytest.mark.parametrize(
    ("style", "answer", "reports"),
    [
        ("examples", " Seen\nlate.\nCoroner report: No note. \n", ["Seen late.", "No note."]),
        ("examples", " Seen late.", None),
        ("examples", " Seen.\nOfficer report: x\nCoroner report: No note.", None),
        ("template", "Sure:\n**Officer report:** Seen.\n\n## Coroner Report: No note.", ["Seen.", "No note."]),
        ("template", "Officer report: Seen. Coroner report: No note.", None),
        ("template", "Coroner report: No note.\nOfficer report: Seen.", None),
        ("template", "Officer report:\nCoroner report:", ["", ""]),
        ("template", "No report.", None),
    ],
)
def test_an_answer_needs_every_heading_once_in_order(
    codebook: Codebook, style: str, answer: str, reports: list[str] | None
) -> None:
    assert making(codebook, style).read(answer) == reports
