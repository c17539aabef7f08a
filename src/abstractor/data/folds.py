"""One fold assignment for all models, and stratified slices of a corpus.

Cases of one group (copies, see `data.copies`) stay together: a model or a threshold that learnt from a case must not be
scored on its copy. Groups are dealt as cases are, each with every code that one of its cases has.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from abstractor.base.files import replaced
from abstractor.base.members import ALL, Training
from abstractor.base.messages import folds as messages
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook

_REFUSALS = parquet.Refusals(messages.missing, messages.no_folds, messages.no_folds)


def assign(
    codebook: Codebook, labels: pd.DataFrame, folds: int, seed: int, groups: pd.Series | None = None
) -> pd.Series:
    """Deal labelled cases to folds that are alike in size and in the frequency of every code.

    Iterative stratification (Sechidis et al. 2011, On the Stratification of Multi-Label Data), rarest code first.

    Args:
        codebook: gives the variables.
        labels: index `uid`, int columns; -1 = not coded.
        folds: how many, at least 2.
        seed: of the ties and the order in which cases are dealt.
        groups: uid -> group of at least these cases; None: each stands alone.

    Returns:
        Index `uid` (sorted), the fold (0 to folds - 1) of each case; one fold a group.

    Raises:
        FoldsError: fewer groups than folds.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    grouped = _grouped(codebook, labels := labels.sort_index(), groups)
    if len(grouped.codes) < folds:
        raise messages.too_few_cases(folds, len(grouped.codes))
    fold = np.zeros(len(grouped.codes), np.int64)
    splitter = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(splitter.split(grouped.codes, grouped.codes)):
        fold[held] = number
    return pd.Series(fold[grouped.number], index=labels.index.rename("uid"), name="fold")


def stratified_slice(
    codebook: Codebook, labels: pd.DataFrame, cases: int, seed: int, groups: pd.Series | None = None
) -> pd.Index:
    """`cases` uids (sorted) in which every code is about as frequent as in all labels.

    Iterative stratification puts even codes before exact sizes; the few cases too many or too few are drawn at random.

    Args:
        codebook: gives the variables.
        labels: index `uid`, int columns; -1 = not coded.
        cases: how many uids to return: exactly, where none has a copy. A group is taken whole or not at all, so there
            are fewer where none is left that fits, and more where the one group taken is larger.
        seed: of the draw.
        groups: uid -> group of at least these cases; None: each stands alone.

    Raises:
        FoldsError: fewer cases than asked for.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    _check_size(cases, len(labels))
    grouped = _grouped(codebook, labels := labels.sort_index(), groups)
    sizes = np.bincount(grouped.number)
    wanted = min(max(cases * len(sizes) // len(labels), 1), len(sizes) - 1)
    if cases == len(labels) or not wanted:
        return labels.index
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=wanted, random_state=seed)
    left, taken = next(splitter.split(grouped.codes, grouped.codes))
    rng = np.random.default_rng(seed)
    extra = rng.permutation(left)
    chosen, room = np.zeros(len(sizes), bool), cases
    for group in (*rng.permutation(taken), *extra):
        if sizes[group] <= room or room == cases:
            chosen[group], room = True, room - sizes[group]
    uids: pd.Index = labels.index[chosen[grouped.number]]
    return uids


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


def write(path: Path, folds: pd.Series, groups: pd.Series | None = None) -> None:
    """Write folds as Parquet (`uid`, `fold`, `group`), sorted by uid, whole or not at all; None: each stands alone."""
    table = folds.rename("fold").rename_axis("uid").sort_index().reset_index()
    table["group"] = table["uid"] if groups is None else groups.loc[table["uid"]].to_numpy()
    with replaced(path) as partial:
        table.to_parquet(partial, index=False)


def read(path: Path) -> pd.Series:
    """Read what `write` wrote: index `uid` (sorted), the fold of each case.

    Raises:
        FoldsError: the file is missing or holds something else.
    """
    return _read(path)["fold"]


def read_groups(path: Path) -> pd.Series:
    """Read what `write` wrote: index `uid` (sorted), the group of each case; raises as `read`."""
    return _read(path)["group"]


def outside(folds: pd.Series, fold: Training) -> pd.Index:
    """The uids of the cases outside a fold; of `all`, every case.

    Raises:
        FoldsError: no case is in the fold.
    """
    if fold != ALL and not (folds == fold).any():
        raise messages.empty_fold(fold)
    return folds.index[folds != fold]


class _Grouped(NamedTuple):
    """Cases by their groups."""

    codes: np.ndarray
    """(groups, all codes of all variables) bool, whether one of its cases has the code; in the order of first cases."""
    number: np.ndarray
    """(cases,) int64 the row of each case's group."""


def _grouped(codebook: Codebook, labels: pd.DataFrame, groups: pd.Series | None) -> _Grouped:
    codes = one_hot(codebook, labels)
    if groups is None:
        return _Grouped(codes, np.arange(len(codes)))
    number, _ = pd.factorize(groups.loc[labels.index])
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(number.max(initial=-1) + 1))
    return _Grouped(np.logical_or.reduceat(codes[order], starts), number)


def _read(path: Path) -> pd.DataFrame:
    return parquet.read(path, ["uid", "fold", "group"], _REFUSALS).set_index("uid")


def _check_size(wanted: int, found: int) -> None:
    if wanted > found:
        raise messages.too_large_slice(wanted, found)
