"""Which cases tell of the same event: equal narratives under several uids, and near-copies such as an amended report.

Cases are compared by their runs of three words. MinHash and LSH (Broder 1997, On the Resemblance and Containment of
Documents; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3) name the pairs worth a look, and each
of these is decided by its exact Jaccard similarity. Copies of copies are one group. Reports written by a form are alike
as well, but each has numbers of its own, such as an age: of two copies, one has all numbers of the other.
"""

import math
import re
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from abstractor.base.files import replaced
from abstractor.base.messages import copies as messages
from abstractor.base.params import Strict
from abstractor.data.cases import parquet


class CopiesParams(Strict):
    """The section `copies` of params.yaml."""

    similarity: Annotated[float, Field(ge=0.5, le=1)]
    """Two cases are copies where they share so many of their runs of three words (Jaccard) and all numbers of one, 0.5
    to 1; 1: only where they are equal but for white space and capitals."""


TRAINING, NEW = "training", "new"
_SCHEMA = pa.schema([(name, pa.string()) for name in ("uid", "copy_of", "among")])
_REFUSALS = parquet.Refusals(messages.missing, messages.no_copies, messages.no_copies)

_RUN = 3
"""Words. Shorter runs are shared by chance, longer ones are all broken by a few amended words."""
_ROWS, _MISSED, _SEED = 4, 0.01, 1
"""Of LSH: hashes of a band, and the share of pairs just as similar as asked for that meet in no band. Of pairs a tenth
more similar it is below one in a thousand."""
_MIXERS = np.array([1, 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)
"""Odd numbers that make the hash of a run depend on the order of its words."""
_BLOCK, _PAIRS, _NEXT = 10_000, 20_000, 100
"""Cases cut into words, and pairs compared, at a time, which bounds the memory; and how many of those that follow it in
a band a case is compared with, which bounds the time where all cases are written by one form."""
_NUMBER = re.compile(r"[0-9]+")


def keys(cases: pd.DataFrame) -> pd.Series:
    """A text a case that is the same for equal ones: its narratives in small letters, white space as one blank.

    Args:
        cases: index `uid`, str narrative columns.

    Returns:
        The same index; str. An empty narrative counts: the same text in another column is another key.
    """
    return pd.Series(_texts(cases), index=cases.index, name="key", dtype="str")


def originals(cases: pd.DataFrame, similarity: float) -> np.ndarray:
    """Which cases are copies of which.

    Args:
        cases: str narrative columns; the index does not matter.
        similarity: the least one of two copies, see `CopiesParams`.

    Returns:
        (cases,) int64 for each case the place of the first case of its group; its own where it stands alone.
    """
    texts = _texts(cases)
    number, different = pd.factorize(np.array(texts, dtype=object))
    group = _near(different.tolist(), similarity)[number] if similarity < 1 else number
    _, first, of_case = np.unique(group, return_index=True, return_inverse=True)
    return first[of_case]


def groups(cases: pd.DataFrame, similarity: float) -> pd.Series:
    """As `originals`, by uid: the same index, for each case the uid of the first case of its group."""
    return pd.Series(cases.index[originals(cases, similarity)], index=cases.index, name="group")


def among_new(training: pd.DataFrame, new: pd.DataFrame, similarity: float) -> pd.DataFrame:
    """The new cases that are copies of a training case, or of a new case before them.

    Args:
        training: index `uid`, str narrative columns.
        new: likewise.
        similarity: see `originals`.

    Returns:
        Columns `uid`, `copy_of` (the uid of the first case of its group), `among` (where that one is: `TRAINING` or
        `NEW`); in the order of `new`.
    """
    uids = training.index.append(new.index)
    first = originals(pd.concat([training, new]), similarity)[len(training) :]
    copied = first != np.arange(len(training), len(uids))
    among = np.where(first[copied] < len(training), TRAINING, NEW)
    return pd.DataFrame({"uid": new.index[copied], "copy_of": uids[first[copied]], "among": among}, dtype="str")


def grouped(uids: pd.Index, found: pd.DataFrame) -> pd.Series:
    """As `groups`, of new cases: index `uids`, the uid of the first case of the group that `among_new` found."""
    first = found.set_index("uid")["copy_of"].reindex(uids)
    return first.where(first.notna(), uids.to_numpy()).rename("group")


def repeated(uids: pd.Index, found: pd.DataFrame) -> np.ndarray:
    """Which new cases to leave out of a score: copies of training cases, and all but the first of a group of new ones.

    Args:
        uids: of the new cases that could be scored.
        found: of `among_new`.

    Returns:
        (uids,) bool.
    """
    among = found.set_index("uid")["among"].reindex(uids)
    return np.asarray((among == TRAINING) | grouped(uids, found).duplicated())


def write(path: Path, found: pd.DataFrame) -> None:
    """Write what `among_new` found as Parquet, whole or not at all."""
    with replaced(path) as partial:
        pq.write_table(pa.Table.from_pandas(found, _SCHEMA, preserve_index=False), partial)


def read(path: Path) -> pd.DataFrame:
    """Read what `write` wrote.

    Raises:
        CopiesError: the file is missing or holds something else.
    """
    return parquet.read(path, _SCHEMA, _REFUSALS)


def _texts(cases: pd.DataFrame) -> list[str]:
    rows = zip(*(cases[name].tolist() for name in cases), strict=True)
    return ["\n".join([" ".join(text.casefold().split()) for text in row]) for row in rows]


def _near(texts: list[str], similarity: float) -> np.ndarray:
    """(texts,) int64 the number of each text's group."""
    import rensa

    blocks = [_runs(texts[start : start + _BLOCK]) for start in range(0, len(texts), _BLOCK)]
    runs, sizes = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    bands = math.ceil(math.log(_MISSED) / math.log1p(-(similarity**_ROWS)))

    def sketched(chosen: np.ndarray, counts: np.ndarray) -> rensa.RMinHashDigestMatrix:
        ends = np.concatenate([[0], counts.cumsum()]).astype(np.uint64)
        return rensa.RMinHash.digest_matrix_from_flat_token_hashes(chosen, ends, bands * _ROWS, _SEED)

    index = rensa.RMinHashLSH(similarity, bands * _ROWS, bands)
    met = np.array(index.query_duplicate_flags_matrix_one_shot(sketched(runs, sizes)))
    group = np.arange(len(texts))
    if met.any():
        runs, sizes = runs[np.repeat(met, sizes)], sizes[met]
        digests = np.array(sketched(runs, sizes).to_rows(), np.uint32).reshape(len(sizes), bands, _ROWS)
        alike = [texts[place] for place in np.flatnonzero(met)]
        group[met] = len(texts) + _joined(digests.transpose(1, 0, 2), _run_sets(runs, sizes), alike, similarity)
    return group


def _runs(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(runs,) uint64 hashes of all runs of words, text by text, and (texts,) how many each has.

    A text of fewer words is one run. A word's hash is the same on every machine.
    """
    words = pc.ascii_split_whitespace(pa.array(texts, pa.large_string()))
    different = words.flatten().dictionary_encode()
    of_word = pd.util.hash_array(np.array(different.dictionary.to_pylist(), dtype=object), categorize=False)
    hashes, sizes = of_word[different.indices.to_numpy()], np.diff(words.offsets.to_numpy())
    ends = sizes.cumsum()
    # Runs that reach into the next text are left out, but for one of a text that is shorter than a run.
    runs, whole = hashes.copy(), np.ones(len(hashes), bool)
    for ahead in range(1, _RUN):
        runs[:-ahead] += hashes[ahead:] * _MIXERS[ahead]
        whole[(ends - ahead)[sizes >= ahead]] = False
    for size in range(1, _RUN):
        starts = (ends - size)[sizes == size]
        runs[starts] = sum((hashes[starts + ahead] * _MIXERS[ahead] for ahead in range(1, size)), start=hashes[starts])
        whole[starts] = True
    return runs[whole], np.maximum(sizes - _RUN + 1, 1)


def _run_sets(runs: np.ndarray, sizes: np.ndarray) -> sparse.csr_array:
    """(texts, different runs) int32 1 where a text has the run."""
    different, column = np.unique(runs, return_inverse=True)
    ends = np.concatenate([[0], sizes.cumsum()])
    sets = sparse.csr_array((np.ones(len(runs), np.int32), column, ends), shape=(len(sizes), len(different)))
    sets.sum_duplicates()
    sets.data[:] = 1
    return sets


def _joined(bands: np.ndarray, sets: sparse.csr_array, texts: list[str], similarity: float) -> np.ndarray:
    """Join texts that meet in a band, are as similar as that and have the same numbers.

    Args:
        bands: (bands, texts, hashes of a band) uint32.
        sets: (texts, runs), see `_run_sets`.
        texts: the same ones.
        similarity: the least Jaccard similarity.

    Returns:
        (texts,) int64 the number of each text's group.
    """
    group, numbers = np.arange(len(texts)), [frozenset(_NUMBER.findall(text)) for text in texts]
    kind, count = pd.factorize(np.array(numbers, dtype=object))[0], np.array(list(map(len, numbers)))
    for band in bands:
        bucket = np.unique(np.ascontiguousarray(band).view(f"V{band.itemsize * _ROWS}"), return_inverse=True)[1].ravel()
        # Texts of the same numbers stand together.
        order = np.lexsort((kind, bucket))
        for step in range(1, min(len(order), _NEXT)):
            # Texts of a bucket that is one group already have nothing more to find there.
            of_bucket = np.zeros(len(group), np.int64)
            of_bucket[bucket] = group
            several = np.zeros(len(group), bool)
            several[bucket[group != of_bucket[bucket]]] = True
            order = order[several[bucket[order]]]
            left, right = order[:-step], order[step:]
            met = bucket[left] == bucket[right]
            if not met.any():
                break
            # Two sets of as many numbers hold one another only where they are equal.
            apart = met & (group[left] != group[right]) & ((kind[left] == kind[right]) | (count[left] != count[right]))
            left, right = left[apart], right[apart]
            alike = _similarities(sets, left, right) >= similarity
            for pair in np.flatnonzero(alike):
                fewer, more = sorted((numbers[left[pair]], numbers[right[pair]]), key=len)
                # A report by a form with no number filled in would be a copy of all others.
                alike[pair] = fewer <= more and bool(fewer) == bool(more)
            if alike.any():
                links = sparse.coo_array(
                    (np.ones(alike.sum(), bool), (group[left[alike]], group[right[alike]])), shape=(len(group),) * 2
                )
                group = connected_components(links, directed=False)[1][group]
    return group


def _similarities(sets: sparse.csr_array, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(pairs,) exact Jaccard similarity of the texts at places `left` and `right`."""
    sizes = np.diff(sets.indptr)
    found = [np.empty(0)]
    for start in range(0, len(left), _PAIRS):
        one, other = left[start : start + _PAIRS], right[start : start + _PAIRS]
        shared = np.asarray(sets[one].multiply(sets[other]).sum(axis=1)).ravel()
        found.append(shared / (sizes[one] + sizes[other] - shared))
    return np.concatenate(found)
