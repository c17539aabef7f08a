"""Training at rates that are too high, and what comes of it: python benchmarks/collapse.py [--quick].

SC1 on MiniLM learns from made-up cases, once from each seed at each rate, with weights in float32 as the product holds
them and in bfloat16 alone, which it never does. The guard judges each run. A restart at the same rate is one more run
of its row, a restart at half the rate one of the row below. Last, one training with its restarts. Writes
benchmarks/results/collapse.json; what it means: docs/evidence/experiments.md.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import mean
from typing import Any, NamedTuple
from unittest.mock import patch

import measure
import torch
from torch import nn

from abstractor.base.errors import RunError
from abstractor.base.files import write_json
from abstractor.base.params import Params
from abstractor.machine.compute import Machine, prepare_machine
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels
from abstractor.training.loop import fit
from abstractor.training.loop.callbacks import CollapseGuard
from abstractor.training.sc import train
from abstractor.training.sc.settings import ScModel

MODEL, CASES, WORDS = "sc1_minilm", 160, 50
SETTINGS = {"max_tokens": 64, "batch_size": 8, "epochs": 6, "head_learning_rate": 3.0e-3}
"""120 steps; the rest is as in params.yaml."""
RESULTS = measure.ROOT / "benchmarks/results/collapse.json"
RATES = (1.0e-3, 5.0e-4, 2.5e-4, 1.25e-4)
"""Of the backbone, each half of the one before."""
BLOCK = 20
"""Steps that a number of the curve is the mean of."""


class Run(NamedTuple):
    """One training."""

    dtype: str
    """Of the weights."""
    rate: float
    seed: int
    starts: list[list[float]]
    """Curve of each start: supervised loss as a share of the constant predictor's, a mean of each `BLOCK` steps."""
    ends: str
    """Of the last start: "learned", "never left" or "back at" the constant predictor, "not finite"."""


@contextmanager
def watched() -> Iterator[list[list[float]]]:
    """What the guard sees of each start, as shares of the constant predictor's loss."""
    starts: list[list[float]] = []

    class Watching(CollapseGuard):
        def __init__(self, constant_loss: float) -> None:
            super().__init__(constant_loss)
            starts.append([])

        def watch(self, loss: float) -> None:
            starts[-1].append(loss / self.constant_loss)
            super().watch(loss)

    with patch.object(fit, "CollapseGuard", Watching):
        yield starts


def learn(corpus: measure.Corpus, dtype: str, rate: float, seed: int, restarts: int, threads: int) -> Run:
    """Train once, with the product's own code."""
    params = Params(measure.ROOT / "params.yaml", measure.ROOT / "dvc.yaml").get(f"models.{MODEL}", ScModel)
    params = params.model_copy(update=SETTINGS | {"learning_rate": rate, "seed": seed, "restarts": restarts})
    compute = prepare_machine(Machine.model_validate({"device": "cpu", "dtype": "auto", "threads": threads}))
    examples = Examples.of_coded(corpus.cases, of_labels(corpus.codebook, corpus.labels))
    product = train.learner

    def held(*given: Any) -> nn.Module:
        return product(*given).to(getattr(torch, dtype))

    steps = params.epochs * math.ceil(len(corpus.cases) / params.batch_size)
    with watched() as starts, patch.object(train, "learner", held):
        try:
            train.train(params, 0.0, "concatenated", corpus.codebook, examples, compute, (0, MODEL, 0))
            ends = "learned"
        except RunError:
            last = starts[-1]
            ends = "not finite" if not math.isfinite(last[-1]) else "back at" if len(last) < steps else "never left"
    return Run(dtype, rate, seed, [curve(losses) for losses in starts], ends)


def curve(losses: list[float]) -> list[float]:
    """Means of blocks."""
    return [round(mean(losses[first : first + BLOCK]), 2) for first in range(0, len(losses), BLOCK)]


def main() -> None:
    """Train, print each run as it ends, keep all of them."""
    parser = measure.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    seeds, rates = (1, RATES[:1]) if options.quick else (options.seeds, RATES)
    corpus = measure.demo(20 if options.quick else CASES, WORDS)
    grid = [(dtype, rate, seed, 0) for dtype in ("float32", "bfloat16") for rate in rates for seed in range(seeds)]
    runs = []
    for dtype, rate, seed, restarts in [*grid, ("float32", rates[0], 0, 3)]:
        run = learn(corpus, dtype, rate, seed, restarts, options.threads)
        print(f"{dtype} weights, rate {rate:g}, seed {seed}: {run.ends}, starts {run.starts}", flush=True)
        runs.append(run._asdict())
    if not options.quick:
        facts = {"cases": len(corpus.cases), "settings": SETTINGS, "block": BLOCK, "machine": measure.machine()}
        write_json(RESULTS, facts | {"runs": runs})


if __name__ == "__main__":
    main()
