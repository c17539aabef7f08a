"""Predicts cases part by part, so that memory does not grow with their number: what SC and AR share.

The arithmetic rounds by the shape of a batch, bfloat16 by up to a tenth of a probability. So a batch has a shape that
follows from each of its cases alone: rows of one padded length, and as many as the budget holds, the last batch filled
up. A case gets the same codes in whatever company it comes.

A batch that does not fit in memory is halved and tried again, and the following ones are cut as small: no case is
lost, and the run says how often it happened.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from abstractor.base.errors import located
from abstractor.base.messages import predicting as messages
from abstractor.base.messages.predictions import PredictionsError
from abstractor.data import predictions
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, autocast
from abstractor.machine.memory import within_memory
from abstractor.models.shared.batching import cost


class Shape(NamedTuple):
    """What a case takes of a batch."""

    length: int
    """Tokens that each of its rows is padded to."""
    rows: int


class Part(NamedTuple):
    """Cases that a model has tokenised."""

    shapes: list[Shape]
    """Of each case."""
    score: Callable[[list[int], int], np.ndarray]
    """Numbers of some cases of one shape and its length -> their probabilities, (cases, columns)."""


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
        self.read, self._codebook, self._compute = read, codebook, compute
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
            ScoringError: a single case does not fit in memory, or a probability is no number.
        """
        with tqdm(total=cases, desc=f"predict {name}", unit="case") as bar:
            seen = 0
            for number, part in enumerate(parts):
                kept = done / f"{number}.parquet" if done else None
                table = self._finished(kept) if kept else None
                if table is not None:
                    bar.update(len(part))
                else:
                    table = self._scored(part, bar, seen)
                    if kept:
                        predictions.write(kept, self._codebook, table)
                seen += len(part)
                yield table
        if self.halved:
            print(f"{name}: {self.halved} batches did not fit in memory and were halved; lower infer.batch_tokens")

    def _finished(self, kept: Path) -> pd.DataFrame | None:
        """A part that a stopped run has finished; None where there is none, or what a power cut left of one."""
        try:
            return predictions.read(kept, self._codebook) if kept.is_file() else None
        except PredictionsError:
            return None

    def _scored(self, part: pd.DataFrame, bar: tqdm, seen: int) -> pd.DataFrame:
        """Of cases that come after `seen` others."""
        with located(f"cases {seen + 1} to {seen + len(part)}, in the order of their uids"):
            read = self.read(part)
        # Not a number until it is scored: a case left out is refused, not written with what memory held.
        result = np.full((len(part), len(self._codebook.columns)), np.nan, dtype=np.float32)
        with torch.inference_mode(), autocast(self._compute):
            for group, probabilities in self._batches(read, seen):
                result[group] = probabilities
                bar.update(len(group))
        return predictions.table(self._codebook, list(part.index), result)

    def _batches(self, part: Part, seen: int) -> Iterator[tuple[list[int], np.ndarray]]:
        waiting: dict[Shape, list[int]] = defaultdict(list)
        for number, shape in enumerate(part.shapes):
            waiting[shape].append(number)
        # The dearest first: what does not fit in memory shows at once, not after an hour.
        for shape in sorted(waiting, key=_cost, reverse=True):
            numbers = waiting[shape]
            while numbers:
                size = max(1, int(self._budget / _cost(shape)))
                group = numbers[:size]
                filled = group + group[-1:] * (size - len(group))
                listed = ", ".join(str(seen + number + 1) for number in group)
                with located(f"cases {listed}, in the order of their uids"):
                    probabilities = within_memory(partial(part.score, filled, shape.length))
                if probabilities is not None:
                    # Here, not when the part is done: an overflow is told before hours are spent on other cases.
                    if not np.isfinite(probabilities).all():
                        raise messages.no_numbers(str(self._compute.dtype).removeprefix("torch."))
                    yield group, probabilities[: len(group)]
                    numbers = numbers[size:]
                elif size == 1:
                    raise messages.case_does_not_fit(shape.rows, shape.length)
                else:
                    self.halved += 1
                    self._budget = -(-size // 2) * _cost(shape)


def _cost(shape: Shape) -> float:
    """Tokens of a case."""
    return shape.rows * cost(shape.length)
