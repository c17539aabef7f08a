"""Paraphrases: every narrative of a case in a writer's own words. No label is read."""

from typing import Any, NamedTuple

import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.writing.engine.checks import Reason, tally, words
from abstractor.writing.engine.prompts import Style, paraphrase_prompt, rewriting
from abstractor.writing.engine.settings import Rewrite
from abstractor.writing.engine.verdicts import judge
from abstractor.writing.engine.writer import Write


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
        source = texts[row][column]
        least_words = settings.least_share * len(words(source))
        reason, paraphrase = judge(task, answer, [[source]], least_words, settings.most_copied)
        texts[row][column] = "".join(paraphrase)
        verdicts[row] = verdicts[row] or reason
    table = pd.DataFrame(texts, cases.index, columns, dtype="str")
    return Rewritten(table[[verdict is None for verdict in verdicts]].sort_index(), tally(verdicts))
