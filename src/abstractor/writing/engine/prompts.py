"""What a writer is asked for, and how its answer is read.

A report takes one line and its heading opens the line, in prompts as in answers: the line ends of a narrative become
spaces, so that nothing in it can pass for a heading or for the next example.

    style template    a request, answered by headings with a report each
    style examples    numbered examples and the first heading of the next one, to be continued; the empty line that
                      would come before another example ends the answer
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from abstractor.data.cases.codebook import Codebook

Style = Literal["template", "examples"]

_GAP = "\n\n"
"""Stands between examples and nowhere in one. The heading of another example would be a worse end: small models often
leave a line empty and then go on with something else."""
_REWRITTEN = "Rewritten"
_SHOWN = (
    (
        "Officers were called to the home shortly after noon because nobody had answered the door since the day "
        "before. A neighbor stated that the person had seemed tired, but had not spoken of any trouble.",
        "As there had been no answer at the door since the previous day, officers were sent to the residence a little "
        "past midday. According to a neighbor the person appeared worn out; problems were never mentioned.",
    ),
    (
        "The supervisor reported two absences in the last month. It is unknown whether a doctor was seen.",
        "Over the past month the person had missed work twice, the supervisor said. If they went to a doctor could "
        "not be established.",
    ),
    (
        "Family members denied any earlier incident. They had last talked with the person by phone that morning, and "
        "an argument about money was mentioned by the sibling.",
        "Relatives knew of nothing similar in the past. Their last contact was a telephone call on the same morning; "
        "the sibling brought up a quarrel over finances.",
    ),
)
"""Reports and paraphrases made up for this prompt: they show the manner, whatever the corpus is about."""


@dataclass(frozen=True)
class Task:
    """The form of an answer."""

    headings: tuple[str, ...]
    """One opens each report, in this order."""
    marker: str | None
    """Stands before another example and so ends the answer; None: the end of the turn does."""

    def read(self, answer: str) -> list[str] | None:
        """The reports of an answer, one a heading, whitespace made single spaces; None where the form is not kept.

        What stands before the first heading is a greeting or a repeated request, no part of a report.
        """
        # With examples the prompt has written the first heading already.
        text = answer if self.marker is None else f"{self.headings[0]}:{answer}"
        found = list(re.finditer(_headings(self.headings), text, re.IGNORECASE | re.MULTILINE))
        if [match["heading"].lower() for match in found] != [heading.lower() for heading in self.headings]:
            return None
        ends = [*(match.start() for match in found[1:]), len(text)]
        return [_one_line(text[match.end() : end]) for match, end in zip(found, ends, strict=True)]


def making(codebook: Codebook, style: Style) -> Task:
    """The form of a made case: every narrative of the codebook under its description."""
    headings = tuple(f"{text[:1].upper()}{text[1:]}" for text in codebook.narratives.values())
    return Task(headings, _GAP if style == "examples" else None)


def rewriting(style: Style) -> Task:
    """The form of a paraphrase."""
    return Task((_REWRITTEN,), _GAP if style == "examples" else None)


def case_prompt(task: Task, unit: str, examples: Sequence[Sequence[str]]) -> str:
    """Ask for a new case.

    Args:
        task: of `making`.
        unit: what one case is.
        examples: the narratives of each example, in the order of the headings.
    """
    blocks = [
        "\n".join([f"Case {number}", *(f"{name}: {_one_line(text)}" for name, text in _paired(task, example))])
        for number, example in enumerate(examples, 1)
    ]
    if task.marker is not None:
        opening = (
            f"Invented cases, each {unit} and unlike the others. The reports of a case are factual and respectful and "
            "agree with each other. They hold no names and no dates."
        )
        return _GAP.join([opening, *blocks, f"Case {len(blocks) + 1}\n{task.headings[0]}:"])
    form = " then ".join(f'"{heading}:"' for heading in task.headings)
    request = (
        f"Each of the cases above is {unit}. Invent one more case and report it in the same style and at about the "
        "same length. Its circumstances differ from those of every case above, and all that is said of it agrees. "
        "Stay factual and respectful, with no graphic detail, no names and no dates. "
        f"Write each report on a line of its own that begins with {form}, and nothing else."
    )
    return _GAP.join([*blocks, request])


def paraphrase_prompt(task: Task, report: str) -> str:
    """Ask for a report in other words.

    Args:
        task: of `rewriting`.
        report: one narrative.
    """
    if task.marker is not None:
        opening = "Each report is followed by the same facts in other words and in another order of the sentence."
        shown = [f"Report {n}: {old}\n{_REWRITTEN}: {new}" for n, (old, new) in enumerate(_SHOWN, 1)]
        return _GAP.join([opening, *shown, f"Report {len(shown) + 1}: {_one_line(report)}\n{_REWRITTEN}:"])
    request = (
        "Write this report again in other words. Keep every fact, and who reported, denied or did not know it; add "
        "none. Stay factual and respectful. "
        f'Write one line that begins with "{_REWRITTEN}:", and nothing else.'
    )
    return f"Report: {_one_line(report)}\n\n{request}"


def _paired(task: Task, texts: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(task.headings, texts, strict=True))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _headings(headings: Sequence[str]) -> str:
    """A heading at the start of a line, bare or in the marks that chat models put around one."""
    return rf"^[\s*#]*(?P<heading>{'|'.join(map(re.escape, headings))})[ *]*:[ *]*"
