"""How often intervals of a mean F1 cover the truth: python benchmarks/intervals.py [--quick].

Two tables. The first: decisions of known quality on simulated labels, as often right on each variable (precision =
recall = F1), and the share of samples whose 95 % interval holds the F1 of the population: of percentiles, and of
`metrics.score_interval` where it gives one.

The second: made-up corpora, coded by the baseline. The out-of-fold score, of models that saw all folds but one, against
what new cases get: the mean of the folds' models, or one model trained on all cases, decided at the same thresholds.
`extrapolated` follows the learning curve a - b / cases through the scores with two folds and with more.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import measure
import numpy as np
import pandas as pd

from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.data.demo.corpus import draw
from abstractor.data.demo.settings import DemoCorpusParams
from abstractor.scoring import baseline
from abstractor.scoring.scores import crossfit, metrics, thresholds

RESAMPLES = 400
SIZES = (30, 60, 150, 240, 600, 1500)
BASELINE = baseline.BaselineParams(c=30.0, min_df=2, max_features=None)
FOLDS = (2, 4, 5, 10)
CORPORA = {240: 20, 600: 8, 1000: 6}
"""Cases -> how many corpora are drawn."""
NEW = 2000


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


class Estimate(NamedTuple):
    """Of one corpus, with one number of folds."""

    score: float
    """Out-of-fold, cross-fitted."""
    means: pd.Series
    """It, bootstrapped."""
    interval: dict[str, float | None]
    """Of `metrics.score_interval`."""
    of_folds: float
    """On new cases: the mean of the folds' models."""
    of_all: float
    """On new cases: one model of all cases."""


def estimates(book: Codebook, cases: int, seed: int, new: int) -> dict[int, Estimate]:
    """Number of folds -> what one made-up corpus says, and what is true."""
    made = draw(book, DemoCorpusParams(cases=cases, new_cases=new, words=60, noise=0.03, seed=seed))
    texts, fresh = made["train_features"], made["test_features"]
    labels, truth = (made[f"{part}_labels"].astype(np.int16) for part in ("train", "test"))
    (refitted,) = baseline.train_and_predict(book, BASELINE, texts, labels, fresh)
    alone, found = predictions.table(book, fresh.index.tolist(), refitted), {}
    for number in FOLDS:
        fold = folds.assign(book, labels, number, seed)
        oof, mean = baseline.predict(book, BASELINE, texts, labels, fold, fresh)
        decisions = crossfit.decide(book, oof, labels, crossfit.parts(book, labels, seed))
        means = metrics.bootstrap(book, labels, {"a": decisions}, RESAMPLES, seed)["a"]
        cuts = thresholds.fit(book, oof, labels)
        true = [metrics.scores(book, truth, thresholds.decide(book, table, cuts))["mean"] for table in (mean, alone)]
        score = metrics.scores(book, labels, decisions)["mean"]
        found[number] = Estimate(score, means, metrics.score_interval(book, labels, decisions, means), *true)
    return found


def extrapolated(few: Estimate, more: Estimate, number: int) -> Estimate:
    """The score of models that see all cases, by those of models that see half of them and all folds but one."""
    share = (number / (number - 1) - 1) / (2 - number / (number - 1))
    score, means = more.score + share * (more.score - few.score), more.means + share * (more.means - few.means)
    turned = metrics.interval(means)
    return more._replace(
        score=score, means=means, interval={"low": 2 * score - turned["high"], "high": 2 * score - turned["low"]}
    )


def new_cases(corpora: dict[int, int], new: int) -> Iterator[str]:
    """A row a number of cases and of folds."""
    book = codebook.load(measure.ROOT / "data/codebooks/demo.yaml")
    yield "| cases | folds | out-of-fold | below the mean of folds | percentiles cover | basic | below one model |"
    yield "|---|---|---|---|---|---|---|"
    for cases, samples in corpora.items():
        drawn = [estimates(book, cases, seed, new) for seed in range(samples)]
        for number in FOLDS:
            yield _row(f"{cases} | {number}", [each[number] for each in drawn])
            if number > 2:
                better = [extrapolated(each[2], each[number], number) for each in drawn]
                yield _row(f"{cases} | {number}, extrapolated", better)


def _row(name: str, found: list[Estimate]) -> str:
    gaps = np.array([[each.of_folds - each.score, each.of_all - each.score] for each in found])
    errors = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps))
    percentiles = np.mean([_holds(metrics.interval(each.means), each.of_folds) for each in found])
    basic = np.mean([_holds(each.interval, each.of_folds) for each in found])
    mean_of, one = (f"{gap:+.3f} ({error:.3f})" for gap, error in zip(gaps.mean(axis=0), errors, strict=True))
    score = np.mean([each.score for each in found])
    return f"| {name} | {score:.3f} | {mean_of} | {percentiles:.2f} | {basic:.2f} | {one} |"


def _holds(bounds: Mapping[str, float | None], truth: float) -> bool:
    low, high = bounds["low"], bounds["high"]
    return low is not None and high is not None and low <= truth <= high


def main() -> None:
    """Print the tables."""
    options = measure.parser(__doc__).parse_args()
    for line in lines(*((20, (60, 240)) if options.quick else (250, SIZES))):
        print(line, flush=True)
    print()
    for line in new_cases(*(({240: 3}, 300) if options.quick else (CORPORA, NEW))):
        print(line, flush=True)


if __name__ == "__main__":
    main()
