"""How often intervals of a mean F1 cover the truth: python benchmarks/intervals.py [--quick].

Decisions of known quality on simulated labels, as often right on each variable (precision = recall = F1). The share of
samples whose 95 % interval holds the F1 of the population: of percentiles, and of `metrics.score_interval` where it
gives one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import measure
import numpy as np
import pandas as pd

from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.scores import metrics

RESAMPLES = 400
SIZES = (30, 60, 150, 240, 600, 1500)


class Coverage(NamedTuple):
    """Of intervals, over samples of one population."""

    bias: float
    """Mean F1 of the samples, less that of the population."""
    percentile: float
    """Share of the percentile intervals that hold the population's F1."""
    basic: float | None
    """Likewise of those that `score_interval` gives; None: it gives one to less than a tenth of the samples."""
    given: float
    """To how many samples it gives one, a share."""


def coverage(shares: np.ndarray, right: float, cases: int, samples: int) -> Coverage:
    """Draw samples, bootstrap each.

    Args:
        shares: (variables,) how often each code is true.
        right: recall and precision, hence F1, of the decisions on every variable.
        cases: of a sample.
        samples: how many.
    """
    yes_no = {0: "no", 1: "yes"}
    variables = [Variable(f"v{number}", "binary", "d", "q", yes_no, None) for number in range(len(shares))]
    book = Codebook("invented", "one case", {"report": "a report"}, tuple(variables))
    points, percentile, basic = [], [], []
    for seed in range(samples):
        rng = np.random.default_rng(seed)
        true = rng.random((cases, len(shares))) < shares
        said = rng.random(true.shape) < np.where(true, right, shares * (1 - right) / (1 - shares))
        labels, decisions = (pd.DataFrame(codes.astype(np.int16), columns=list(book.names)) for codes in (true, said))
        means = metrics.bootstrap(book, labels, {"a": decisions}, RESAMPLES, seed)["a"]
        bounds, own = metrics.interval(means), metrics.score_interval(book, labels, decisions, means)
        points.append(metrics.scores(book, labels, decisions)["mean"])
        percentile.append(bounds["low"] <= right <= bounds["high"])
        if own["low"] is not None and own["high"] is not None:
            basic.append(own["low"] <= right <= own["high"])
    given = len(basic) / samples
    covered = float(np.mean(basic)) if given >= 0.1 else None
    return Coverage(float(np.mean(points)) - right, float(np.mean(percentile)), covered, given)


def lines(samples: int, sizes: tuple[int, ...]) -> Iterator[str]:
    """A row a population and a number of cases."""
    demo = codebook.load(measure.ROOT / "data/codebooks/demo.yaml")
    populations = {
        "the demo's": np.array([variable.share for variable in demo.variables if variable.share]),
        "1 to 60 %": np.geomspace(0.01, 0.6, 23),
        "0.5 to 10 %": np.geomspace(0.005, 0.1, 23),
    }
    yield "| shares | F1 | cases | bias | percentiles | basic | given to |"
    yield "|---|---|---|---|---|---|---|"
    for name, shares in populations.items():
        for right in (0.5, 0.8):
            for cases in sizes:
                found = coverage(shares, right, cases, samples)
                basic = "" if found.basic is None else f"{found.basic:.2f}"
                yield (
                    f"| {name} | {right} | {cases} | {found.bias:+.3f} | {found.percentile:.2f} | {basic} "
                    f"| {found.given:.0%} |"
                )


def main() -> None:
    """Print the table."""
    options = measure.parser(__doc__).parse_args()
    for line in lines(*((20, (60, 240)) if options.quick else (250, SIZES))):
        print(line, flush=True)


if __name__ == "__main__":
    main()
