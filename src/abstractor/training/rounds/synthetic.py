"""Made cases: what they were made from, who labels them, and which of them a fold may learn from.

The leak guard. A made case echoes its sources. A model that learned from an echo of a case knows something of it that
no new case gives away, and its out-of-fold score would be too good. So what the model of a fold learns from is
computed without that fold: only made cases whose sources all lie outside it, labelled by the members that held it out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from abstractor.base.files import replaced
from abstractor.base.learns import Round
from abstractor.base.members import Training
from abstractor.base.messages import lessons as messages
from abstractor.base.params import Params, Strict
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook

SOURCES = ("source_1", "source_2", "source_3")
"""Columns with the uids of the coded cases that a case was made from."""

_REFUSALS = parquet.Refusals(messages.missing_made, messages.unreadable_made, messages.other_columns_made)

Writers = list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]]


class Teacher(Strict):
    """A member that labels made cases (`teachers_sc` and `teachers_ar`)."""

    model: str
    """Its name under `models`."""
    round: Round
    """The round that it is a member of: those who learn from this round learn from its labels."""


def write(path: Path, codebook: Codebook, cases: pd.DataFrame) -> None:
    """Write made cases (index `uid`, narratives and `SOURCES`) sorted by uid, whole or not at all."""
    with replaced(path) as partial:
        frame = cases[[*codebook.narratives, *SOURCES]].sort_index().rename_axis("uid").reset_index()
        frame.astype("str").to_parquet(partial, index=False)


def visible(folder: Path, codebook: Codebook, writers: Sequence[str], folds: pd.Series, fold: Training) -> pd.DataFrame:
    """The made cases that the model of a fold may learn from.

    Args:
        folder: holds `<writer>/<fold>.parquet`, as written by `write`; the fold there is the sources'.
        codebook: names the narratives.
        writers: who made cases.
        folds: uid -> fold of every coded case.
        fold: the one that may not be seen; `all`: none.

    Returns:
        Index `uid` (sorted), str narratives.

    Raises:
        MadeError: a table is missing, unreadable, of another codebook or of unknown sources; no writer, no case left.
    """
    if not writers:
        raise messages.no_writers()
    columns, numbers = ["uid", *codebook.narratives, *SOURCES], sorted(folds.unique())
    paths = [folder / writer / f"{number}.parquet" for writer in writers for number in numbers]
    cases = pd.concat([parquet.read(path, columns, _REFUSALS).set_index("uid") for path in paths]).sort_index()
    found = outside(cases, folds, fold)[list(codebook.narratives)]
    if found.empty:
        raise messages.none_outside(folder, fold)
    return found


def outside(cases: pd.DataFrame, folds: pd.Series, fold: Training) -> pd.DataFrame:
    """The guard: the made cases none of whose sources lies in `fold`.

    Args:
        cases: index `uid`, columns `SOURCES` and others.
        folds: uid -> fold of every coded case.
        fold: the one that may not be seen; `all`: none.

    Raises:
        MadeError: a source is no coded case.
    """
    of_sources = cases[list(SOURCES)].apply(lambda uids: uids.map(folds))
    if unknown := int(of_sources.isna().any(axis=1).sum()):
        raise messages.unknown_sources(unknown)
    kept: pd.DataFrame = cases[(of_sources != fold).all(axis=1)]
    return kept


def teachers(params: Params, number: int) -> dict[str, str]:
    """Who labels for a round: model -> its stage, `label_made_sc` or `label_made_ar`.

    Raises:
        ParamsError: nobody teaches in this round, a teacher stands twice or is no model of its list.
    """
    found: dict[str, str] = {}
    for kind in ("sc", "ar"):
        models = params.get(kind, list[str])
        for teacher in params.get(f"teachers_{kind}", list[Teacher]):
            if teacher.model not in models:
                raise messages.unknown_teacher(params.path, kind, teacher.model)
            if teacher.round == number:
                if teacher.model in found:
                    raise messages.repeated_teacher(params.path, kind, teacher.model)
                found[teacher.model] = f"label_made_{kind}"
    if not found:
        raise messages.no_teacher(params.path, number)
    return found
