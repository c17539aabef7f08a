"""Made cases: a writer sees three real cases of a fold and invents one more. No label is read."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.training.rounds.synthetic import SOURCES
from abstractor.writing.engine.checks import tally
from abstractor.writing.engine.prompts import Style, case_prompt, making
from abstractor.writing.engine.settings import MakeCases
from abstractor.writing.engine.verdicts import judge
from abstractor.writing.engine.writer import Write
from abstractor.writing.sources import Sources


class Made(NamedTuple):
    """What a writer made of a fold."""

    cases: pd.DataFrame
    """Index `uid` (sorted); str columns: the narratives of the codebook, then `source_1` to `source_3`."""
    counts: dict[str, Any]
    """Of made cases: asked, kept, dropped by reason."""


def possible_sources(codebook: Codebook, cases: pd.DataFrame) -> list[str]:
    """Uids of the cases that have every narrative: an example with a gap would teach to leave gaps.

    Args:
        codebook: names the narrative columns.
        cases: index uid, str narrative columns.
    """
    return list(cases.index[(cases[list(codebook.narratives)] != "").all(axis=1)])


def make_cases(
    codebook: Codebook,
    cases: pd.DataFrame,
    plan: Sequence[Sources],
    write: Write,
    style: Style,
    settings: MakeCases,
    prefix: str,
) -> Made:
    """Write a case from each triple and keep those that pass.

    Args:
        codebook: names and describes the narratives.
        cases: index uid, str narrative columns; holds all sources.
        plan: the sources of each case.
        write: answers prompts.
        style: of the prompts.
        settings: what a case must pass.
        prefix: opens the uid of each case; its number in the plan follows.
    """
    task, columns = making(codebook, style), list(codebook.narratives)
    sources = [cases.loc[list(triple), columns].to_numpy().tolist() for triple in plan]
    answers = write([case_prompt(task, codebook.unit, examples) for examples in sources], task.marker)
    limits = settings.least_words, settings.most_copied
    judged = [judge(task, answer, shown, *limits) for answer, shown in zip(answers, sources, strict=True)]
    rows = {
        f"{prefix}_{number:06d}": [*reports, *triple]
        for number, ((reason, reports), triple) in enumerate(zip(judged, plan, strict=True))
        if reason is None
    }
    # Of a type of their own: without a row pandas would store no text columns.
    index = pd.Index(list(rows), name="uid", dtype="str")
    table = pd.DataFrame(list(rows.values()), index, [*columns, *SOURCES], dtype="str")
    return Made(table.sort_index(), tally([reason for reason, _ in judged]))
