"""Codes of a case in other company: python benchmarks/company.py, after `make repro` of the demo or of a corpus.

Each member's model of fold 0 predicts the new and the training cases together, then random parts of them. What counts
is how far a probability moves, and how many codes change at the ensemble's thresholds, when only the company differs.
Two ways of making batches: of one shape for each length (the pipeline's), and of near-equal lengths under the same
budget, whose shapes depend on all cases of the file.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from abstractor.base import members
from abstractor.base.params import CorpusName, Params
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import read_prepared_cases
from abstractor.machine.compute import Compute, Inference, autocast, prepare_machine
from abstractor.models.shared.batching import by_budget
from abstractor.predicting import ar, sc
from abstractor.predicting.predictor import Predictor
from abstractor.scoring.ensemble import blend
from abstractor.scoring.scores import thresholds

SIZES = (1, 5, 14, 30, 100)
"""Cases of a part."""

Predict = Callable[[pd.DataFrame], pd.DataFrame]


def one_shape(predictor: Predictor, cases: pd.DataFrame) -> pd.DataFrame:
    """The pipeline's way."""
    return pd.concat(predictor.predict([cases], len(cases), "company"))


def near_lengths(
    predictor: Predictor, compute: Compute, budget: int, book: Codebook, cases: pd.DataFrame
) -> pd.DataFrame:
    """Each batch as long as its longest row, and as many rows as the budget holds."""
    part = predictor.read(cases)
    found = np.zeros((len(cases), len(book.columns)))
    lengths = [shape.length for shape in part.shapes]
    with torch.inference_mode(), autocast(compute):
        for group in by_budget(lengths, budget / max(shape.rows for shape in part.shapes)):
            found[group] = part.score(group, max(lengths[n] for n in group))
    return pd.DataFrame(found, index=cases.index, columns=list(book.columns))


def moves(predict: Predict, cases: pd.DataFrame, book: Codebook, cuts: Any) -> Iterator[tuple[float, int, int]]:
    """For each part: the largest difference of a probability, codes that changed, codes."""
    whole, rng = predict(cases), np.random.default_rng(0)
    decided = thresholds.decide(book, whole, cuts)
    for size in SIZES:
        part = cases.loc[np.sort(rng.choice(cases.index, min(size, len(cases)), replace=False))]
        found = predict(part)
        changed = thresholds.decide(book, found, cuts) != decided.loc[part.index]
        yield np.abs((found - whole.loc[part.index]).to_numpy()).max(), int(changed.to_numpy().sum()), changed.size


def main() -> None:
    """Measure every member in both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--cases", type=int, default=270, help="at most so many")
    options = parser.parse_args()
    params = Params()
    models, infer = members.read(params), params.get("infer", Inference)
    book = codebook.load(Path(f"data/codebooks/{params.get('corpus', CorpusName)}.yaml"))
    tables = [read_prepared_cases(Path(f"data/prepared/{name}.parquet"), book) for name in ("new_cases", "cases")]
    cases = pd.concat(tables)[: options.cases].sort_index()
    cuts = blend.read(blend.PATH, book, models.names).thresholds
    for dtype in options.dtypes:
        compute = prepare_machine(infer.model_copy(update={"dtype": dtype}))
        for name in models.names:
            of_kind = sc if name in models.sc else ar
            predictor = of_kind.predictor(book, Path(f"models/{name}/0"), compute, infer.batch_tokens)
            ways: dict[str, Predict] = {
                "one shape a length": partial(one_shape, predictor),
                "near-equal lengths": partial(near_lengths, predictor, compute, infer.batch_tokens, book),
            }
            for way, predict in ways.items():
                found = list(moves(predict, cases, book, cuts))
                largest, changed, of = max(f[0] for f in found), sum(f[1] for f in found), sum(f[2] for f in found)
                print(f"{name}, {dtype}, {way}: moves by {largest:.1e} at most, {changed} of {of} codes change")


if __name__ == "__main__":
    main()
