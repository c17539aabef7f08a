"""Paraphrases: every narrative of a case in a writer's own words. No label is read."""

from typing import Any, NamedTuple

import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.writing.checks import Reason, copied_share, is_plain, tally, words
from abstractor.writing.prompts import Style, Task, paraphrase_prompt, rewriting
from abstractor.writing.settings import Rewrite
from abstractor.writing.tokens import Written
from abstractor.writing.writer import Write


class Rewritten(NamedTuple):
    """What a writer made of the cases."""

    cases: pd.DataFrame
    """Index `uid` (sorted), str narrative columns: the cases of which every narrative passed."""
    counts: dict[str, Any]
    """Of cases: asked, kept, dropped by the reason of the first narrative that failed."""


def rewrite_cases(codebook: Codebook, cases: pd.DataFrame, write: Write, style: Style, settings: Rewrite) -> Rewritten:
    """Paraphrase the narratives, each on its own; an empty one stays empty.

    Args:
        codebook: names the narrative columns.
        cases: index uid, str narrative columns.
        write: answers prompts.
        style: of the prompts.
        settings: what a paraphrase must pass.
    """
    task, columns = rewriting(style), list(codebook.narratives)
    texts: list[list[str]] = cases[columns].to_numpy().tolist()
    places = [(row, column) for column in range(len(columns)) for row, case in enumerate(texts) if case[column]]
    answers = write([paraphrase_prompt(task, texts[row][column]) for row, column in places], task.marker)
    verdicts: list[Reason | None] = [None] * len(texts)
    for (row, column), answer in zip(places, answers, strict=True):
        reason, texts[row][column] = _judge(task, answer, texts[row][column], settings)
        verdicts[row] = verdicts[row] or reason
    table = pd.DataFrame(texts, cases.index, columns, dtype="str")
    return Rewritten(table[[verdict is None for verdict in verdicts]].sort_index(), tally(verdicts))


def _judge(task: Task, answer: Written, source: str, settings: Rewrite) -> tuple[Reason | None, str]:
    """The first reason to drop an answer, or None, and its text."""
    if not answer.ended:
        return "truncated", ""
    reports = task.read(answer.text)
    if reports is None or not is_plain(answer.text):
        return "malformed", ""
    if len(words(reports[0])) < settings.least_share * len(words(source)):
        return "too_short", ""
    if copied_share(reports, [[source]]) > settings.most_copied:
        return "near_copy", ""
    return None, reports[0]
