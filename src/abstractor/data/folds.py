"""One fold assignment for all models, and stratified slices of a corpus."""

from pathlib import Path

import numpy as np
import pandas as pd

from abstractor.base.files import replaced
from abstractor.base.messages import folds as messages
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook

_REFUSALS = parquet.Refusals(messages.missing, messages.no_folds, messages.no_folds)


def assign(codebook: Codebook, labels: pd.DataFrame, folds: int, seed: int) -> pd.Series:
    """Deal labelled cases to folds that are alike in size and in the frequency of every code.

    Iterative stratification (Sechidis et al. 2011, On the Stratification of Multi-Label Data), rarest code first.

    Args:
        codebook: gives the variables.
        labels: index `uid`, int columns; -1 = not coded.
        folds: how many, at least 2.
        seed: of the ties and the order in which cases are dealt.

    Returns:
        Index `uid` (sorted), the fold (0 to folds - 1) of each case.

    Raises:
        FoldsError: fewer cases than folds.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    if len(labels) < folds:
        raise messages.too_few_cases(folds, len(labels))
    codes = one_hot(codebook, labels := labels.sort_index())
    fold = pd.Series(0, index=labels.index.rename("uid"), name="fold", dtype=np.int64)
    splitter = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(splitter.split(codes, codes)):
        fold.iloc[held] = number
    return fold


def stratified_slice(codebook: Codebook, labels: pd.DataFrame, cases: int, seed: int) -> pd.Index:
    """Exactly `cases` uids (sorted) in which every code is about as frequent as in all labels.

    Iterative stratification puts even codes before exact sizes; the few cases too many or too few are drawn at random.

    Raises:
        FoldsError: fewer cases than asked for.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    _check_size(cases, len(labels))
    if cases == len(labels):
        return labels.index.sort_values()
    codes = one_hot(codebook, labels := labels.sort_index())
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=cases, random_state=seed)
    left, taken = next(splitter.split(codes, codes))
    rng = np.random.default_rng(seed)
    extra = rng.permutation(left)[: max(cases - len(taken), 0)]
    return labels.index[np.sort(np.concatenate([rng.permutation(taken)[:cases], extra]))]


def slice_by_length(cases: pd.DataFrame, size: int, seed: int) -> pd.Index:
    """Exactly `size` uids (sorted) whose narratives are as long and as short as those of all cases.

    New cases have no labels to stratify by. Systematic sampling: every k-th case by length from a random start.

    Args:
        cases: index `uid`, str narrative columns.
        size: how many uids to return.
        seed: of the start.

    Raises:
        FoldsError: fewer cases than asked for.
    """
    _check_size(size, len(cases))
    lengths = sum((cases[name].str.len() for name in cases), start=pd.Series(0, index=cases.index)).sort_index()
    by_length = lengths.sort_values(kind="stable").index
    places = ((np.arange(size) + np.random.default_rng(seed).random()) * len(cases) / size).astype(int)
    return by_length[places].sort_values()


def one_hot(codebook: Codebook, labels: pd.DataFrame) -> np.ndarray:
    """(cases, all codes of all variables) bool, in the rows' order; a row is all false in a variable not coded."""
    return np.column_stack([labels[v.name].to_numpy() == code for v in codebook.variables for code in v.codes])


def write(path: Path, folds: pd.Series) -> None:
    """Write folds as Parquet (`uid`, `fold`), sorted by uid, whole or not at all."""
    with replaced(path) as partial:
        folds.rename("fold").rename_axis("uid").sort_index().reset_index().to_parquet(partial, index=False)


def read(path: Path) -> pd.Series:
    """Read what `write` wrote: index `uid` (sorted), the fold of each case.

    Raises:
        FoldsError: the file is missing or holds something else.
    """
    return parquet.read(path, ["uid", "fold"], _REFUSALS).set_index("uid")["fold"]


def outside(folds: pd.Series, fold: int) -> pd.Index:
    """The uids of the cases outside a fold.

    Raises:
        FoldsError: no case is in the fold.
    """
    if not (folds == fold).any():
        raise messages.empty_fold(fold)
    return folds.index[folds != fold]


def _check_size(wanted: int, found: int) -> None:
    if wanted > found:
        raise messages.too_large_slice(wanted, found)
