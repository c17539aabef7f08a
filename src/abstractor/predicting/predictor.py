"""Predicts cases part by part, so that memory does not grow with their number: what SC and AR share.

A batch that does not fit in memory is halved and tried again, and the following ones are cut as small: no case is
lost, and the run says how often it happened.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from abstractor.base.errors import out_of_memory
from abstractor.base.messages import predicting as messages
from abstractor.base.messages.predictions import PredictionsError
from abstractor.data import predictions
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, autocast
from abstractor.models.shared.batching import by_budget, cost


class Part(NamedTuple):
    """Cases that a model has tokenised."""

    lengths: list[int]
    """Tokens of each case's longest row."""
    rows: int
    """Rows of a case at most."""
    score: Callable[[list[int]], np.ndarray]
    """Numbers of some cases -> their probabilities, (cases, columns)."""


class Predictor:
    """Predicts the parts of a corpus under a token budget."""

    def __init__(self, read: Callable[[pd.DataFrame], Part], codebook: Codebook, compute: Compute, budget: int) -> None:
        """Fix the model.

        Args:
            read: cases (index uid) -> what the model makes of them.
            codebook: the columns.
            compute: device and dtype.
            budget: tokens of a forward pass.
        """
        self._read, self._codebook, self._compute = read, codebook, compute
        self._budget: float = budget
        self.halved = 0
        """Batches that did not fit so far."""

    def predict(
        self, parts: Iterable[pd.DataFrame], cases: int, name: str, done: Path | None = None
    ) -> Iterator[pd.DataFrame]:
        """Predict; parts that a stopped run has finished are read, not scored.

        Args:
            parts: cases, index uid.
            cases: in all parts together.
            name: stands on the progress bar.
            done: folder that keeps finished parts, also of a run that was stopped; None: none are kept.

        Yields:
            The predictions table of each part (see `abstractor.predictions`).

        Raises:
            ScoringError: a single case does not fit in memory.
        """
        with tqdm(total=cases, desc=f"predict {name}", unit="case") as bar:
            for number, part in enumerate(parts):
                kept = done / f"{number}.parquet" if done else None
                table = self._finished(kept) if kept else None
                if table is not None:
                    bar.update(len(part))
                else:
                    table = self._scored(part, bar)
                    if kept:
                        predictions.write(kept, self._codebook, table)
                yield table
        if self.halved:
            print(f"{name}: {self.halved} batches did not fit in memory and were halved; lower infer.batch_tokens")

    def _finished(self, kept: Path) -> pd.DataFrame | None:
        """A part that a stopped run has finished; None where there is none, or what a power cut left of one."""
        try:
            return predictions.read(kept, self._codebook) if kept.is_file() else None
        except PredictionsError:
            return None

    def _scored(self, part: pd.DataFrame, bar: tqdm) -> pd.DataFrame:
        read = self._read(part)
        # Not a number until it is scored: a case left out is refused, not written with what memory held.
        result = np.full((len(part), len(self._codebook.columns)), np.nan, dtype=np.float32)
        with torch.inference_mode(), autocast(self._compute):
            for group, probabilities in self._batches(read):
                result[group] = probabilities
                bar.update(len(group))
        return predictions.table(self._codebook, list(part.index), result)

    def _batches(self, part: Part) -> Iterator[tuple[list[int], np.ndarray]]:
        waiting = by_budget(part.lengths, self._budget / part.rows)[::-1]
        while waiting:
            group = waiting.pop()
            a_case, half = part.rows * cost(max(part.lengths[n] for n in group)), -(-len(group) // 2)
            if len(group) == 1 or len(group) * a_case <= self._budget:
                probabilities = _fitting(part.score, group)
                if probabilities is not None:
                    yield group, probabilities
                    continue
                if len(group) == 1:
                    raise messages.case_does_not_fit(part.rows, part.lengths[group[0]])
                self.halved += 1
                self._budget = half * a_case
            waiting += [group[half:], group[:half]]


def _fitting(score: Callable[[list[int]], np.ndarray], group: list[int]) -> np.ndarray | None:
    """The probabilities, or None where memory ran out.

    A function of its own: the exception, which holds the tensors of the failed pass, is gone when it returns.
    """
    try:
        return score(group)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
