"""The table of docs/evidence/ablation.md: scores, paired intervals, and what the comparison could have found."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.scoring.scores import crossfit, metrics

BASE = "base"
RESAMPLES = 2_000
DETECTABLE = 1.960 + 0.842
"""Standard errors of a difference that is found four times in five by a two-sided test at 5 %."""


class Run(NamedTuple):
    """One training of a row."""

    row: str
    seed: int
    predictions: pd.DataFrame
    """Out of fold, all cases."""
    seconds: float


class Difference(NamedTuple):
    """A row against the base."""

    mean: float
    low: float
    high: float
    detectable: float
    """Smallest true difference that the comparison would find four times in five."""


def summary(
    codebook: Codebook, labels: pd.DataFrame, groups: pd.Series | None, runs: Sequence[Run], seed: int
) -> dict[str, Any]:
    """Every row against the base.

    Args:
        codebook: gives the variables.
        labels: of all cases.
        groups: uid -> group, each in one part; None: each case stands alone.
        runs: of the base and of other rows, each with a seed that the base has too.
        seed: of the cross-fitting parts.

    Returns:
        `cases`, `seed_deviation` and `rows`: name -> `f1` (a run), `log_loss`, `seconds`, and but for the base the
        fields of `Difference`.
    """
    part = crossfit.parts(codebook, labels, seed, groups)
    decisions = {_key(run): crossfit.decide(codebook, run.predictions, labels, part) for run in runs}
    f1 = pd.Series({key: metrics.scores(codebook, labels, made)["mean"] for key, made in decisions.items()})
    means = metrics.bootstrap(codebook, labels, decisions, RESAMPLES, 0)
    deviation = seed_deviation(f1, runs)
    rows: dict[str, Any] = {}
    for name in dict.fromkeys(run.row for run in runs):
        own = [run for run in runs if run.row == name]
        losses = [metrics.log_loss(codebook, labels, run.predictions) for run in own]
        rows[name] = {"f1": f1[[_key(run) for run in own]].tolist(), "log_loss": float(np.mean(losses))}
        rows[name]["seconds"] = sum(run.seconds for run in own)
        if name != BASE:
            rows[name] |= compare(means, f1, name, [run.seed for run in own], deviation)._asdict()
    return dict(metrics.rounded({"cases": len(labels), "seed_deviation": deviation, "rows": rows}))


def compare(means: pd.DataFrame, f1: pd.Series, row: str, seeds: Sequence[int], deviation: float) -> Difference:
    """The difference in mean F1 of a row to the base, trained with the same seeds.

    The interval resamples cases; what another initialisation would change is no part of it, but of `detectable`,
    whose standard error adds both: sqrt(var_cases + 2 var_seeds / seeds).

    Args:
        means: (resamples, "<row>-<seed>"), mean F1 of each run on the same resamples.
        f1: "<row>-<seed>" -> mean F1 on all cases.
        row: its name.
        seeds: of the row.
        deviation: standard deviation of a run's mean F1 between seeds.
    """
    ours, base = [f"{row}-{seed}" for seed in seeds], [f"{BASE}-{seed}" for seed in seeds]
    differences = means[ours].mean(axis=1) - means[base].mean(axis=1)
    bounds = metrics.interval(differences)
    error = float(np.sqrt(differences.var() + 2 * deviation**2 / len(seeds)))
    return Difference(float(f1[ours].mean() - f1[base].mean()), bounds["low"], bounds["high"], DETECTABLE * error)


def seed_deviation(f1: pd.Series, runs: Sequence[Run]) -> float:
    """Standard deviation of the mean F1 between seeds, pooled over the rows that have several."""
    rows = pd.Series([run.row for run in runs], index=[_key(run) for run in runs])
    spread = f1.groupby(rows).var().dropna()
    return float(np.sqrt(spread.mean())) if len(spread) else float("nan")


def page(content: Mapping[str, Any], titles: Mapping[str, str], recipe: str) -> str:
    """The table as Markdown; rows of `titles` that `content` lacks are named as not run."""
    lines = [
        "# Ablation",
        "",
        "Written by `make ablate FROM=<folder of the corpus>` (`benchmarks/ablate.py`): each ingredient alone, on top",
        f"of `recipes/{recipe}.yaml`. SC1 on MiniLM, a stratified slice of {content['cases']} OSHA cases, two fixed",
        "folds where a row names no others, cross-fitted mean F1 of the out-of-fold predictions.",
        f"{content['machine']}.",
        "",
        "| ingredient | seeds | mean F1 | against the base (95 %) | smallest detectable | log loss | minutes | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(titles[name], name == BASE, row) for name, row in content["rows"].items()]
    lines += [
        "",
        f"Between seeds, a run's mean F1 has a standard deviation of {content['seed_deviation']:.4f}. The interval",
        "resamples cases (paired bootstrap) with the models as they are; the smallest detectable difference adds what",
        "another seed would change (two-sided test at 5 %, found four times in five). A difference below it, or of one",
        "seed, is unresolved, whatever its sign. What it means for the default: [experiments.md](experiments.md).",
    ]
    lines += [f"Not run yet: {title}." for name, title in titles.items() if name not in content["rows"]]
    return "\n".join(lines) + "\n"


def _line(title: str, base: bool, row: Mapping[str, Any]) -> str:
    difference = detectable = ""
    if not base:
        difference = f"{row['mean']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
        detectable = f"{row['detectable']:.4f}"
    cells = [title, len(row["f1"]), f"{np.mean(row['f1']):.4f}", difference, detectable]
    cells += [f"{row['log_loss']:.3f}", f"{row['seconds'] / 60:.0f}", "the base" if base else verdict(row)]
    return f"| {' | '.join(map(str, cells))} |"


def verdict(row: Mapping[str, Any]) -> str:
    """What a row shows."""
    if len(row["f1"]) < 2 or abs(row["mean"]) < row["detectable"]:
        return "unresolved"
    return "gain" if row["mean"] > 0 else "loss"


def _key(run: Run) -> str:
    return f"{run.row}-{run.seed}"
