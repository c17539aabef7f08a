"""Puts together what the model of a fold learns from, and keeps out what it may not see.

Besides the fold itself, that is everything computed with its labels: corrections come from the other folds'
cross-validation, made cases from the other folds' cases, their labels from members that held the fold out
(`synthetic.outside`). Paraphrases need no guard of their own: each stays with its case.
"""

from pathlib import Path

import pandas as pd

from abstractor.base.learns import Learns
from abstractor.base.members import Training
from abstractor.base.messages import lessons as messages
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import read_prepared_cases, read_prepared_labels
from abstractor.data.folds import outside
from abstractor.training.lessons import examples, targets
from abstractor.training.lessons.examples import Examples


def of_fold(
    codebook: Codebook,
    learns: Learns,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.Series,
    fold: Training,
    lessons: Path,
    groups: pd.Series | None = None,
) -> Examples:
    """The training set of one fold's model.

    Args:
        codebook: the variables.
        learns: what the model learns from beside cases and codes.
        cases: all coded cases, index uid.
        labels: their codes, index uid.
        folds: uid -> fold.
        fold: the one that the model must not see; `all`: none.
        lessons: holds `labels/corrected/<fold>.parquet`, `rewrites/<writer>/cases.parquet` and
            `made/<round>/<fold>.parquet`, as far as `learns` asks for them.
        groups: uid -> group of all coded cases; None: each stands alone.

    Raises:
        TrainingSetError: corrected labels or made cases of other cases than these.
        CorpusError: corrected labels or paraphrases are missing or unreadable.
        ExamplesError: the made cases are.
    """
    uids = outside(folds, fold)
    if learns.labels == "corrected":
        path = lessons / "labels/corrected" / f"{fold}.parquet"
        labels = read_prepared_labels(path, codebook)
        if not labels.index.equals(uids):
            raise messages.other_corrected_cases(path, len(uids), fold)
    coded = Examples.of_coded(cases.loc[uids], targets.of_labels(codebook, labels.loc[uids]), groups)
    if learns.rewrites != "none":
        rewritten = read_prepared_cases(lessons / "rewrites" / learns.rewrites / "cases.parquet", codebook)
        coded = coded._replace(rewritten=rewritten.loc[rewritten.index.intersection(uids)])
    if learns.made == "none":
        return coded
    path = lessons / "made" / str(learns.made) / f"{fold}.parquet"
    made = examples.read(path, codebook)
    if len(made.coded) or len(made.cases.index.intersection(folds.index)):
        raise messages.coded_among_made(path)
    return coded._replace(
        cases=pd.concat([coded.cases, made.cases]),
        targets=pd.concat([coded.targets, made.targets]),
        made=made.cases.index,
    )
