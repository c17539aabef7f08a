"""What the ensemble is worth: cross-fitted decisions of every system, the score table, the data of two plots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from abstractor.base.files import replaced
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.machine.seeds import derive_seed
from abstractor.scoring.ensemble import blend
from abstractor.scoring.scores import crossfit, metrics, small_counts, thresholds

ENSEMBLE, BASELINE = blend.ENSEMBLE, "baseline"
BINS = 10


class Crossfitted(NamedTuple):
    """Out-of-fold cases, each decided with weights and thresholds that were fitted on others."""

    decisions: dict[str, pd.DataFrame]
    """System -> decisions: the baseline, each model, the blends."""
    blended: pd.DataFrame
    """The ensemble's probabilities."""


def crossfitted(
    codebook: Codebook,
    tables: Mapping[str, pd.DataFrame],
    baseline: pd.DataFrame,
    labels: pd.DataFrame,
    settings: blend.EnsembleParams,
    seed: int,
    groups: pd.Series | None = None,
) -> Crossfitted:
    """Decide every coded case with every system, on one division into parts.

    Args:
        codebook: gives the variables.
        tables: model -> out-of-fold predictions table, all of the cases of `labels`.
        baseline: likewise.
        labels: int16 codes, -1 where not coded.
        settings: of the blends.
        seed: the global one.
        groups: uid -> group, each in one part; None: each case stands alone.
    """

    part = crossfit.parts(codebook, labels, seed, groups)

    def blended(members: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
        def of(uids: pd.Index) -> dict[str, pd.DataFrame]:
            return {name: table.loc[uids] for name, table in members.items()}

        def apply(fitted: blend.Blend, held: pd.Index) -> pd.DataFrame:
            pooled = blend.pool(codebook, of(held), fitted)
            decided = thresholds.decide(codebook, pooled, fitted.thresholds)
            return pd.concat({"decisions": decided, "blended": pooled}, axis=1)

        both = crossfit.crossfit(part, lambda others: blend.fit(codebook, of(others), labels, settings.prior), apply)
        return pd.DataFrame(both["decisions"]), pd.DataFrame(both["blended"])

    singles = {BASELINE: baseline} | dict(tables)
    decisions = {name: crossfit.decide(codebook, table, labels, part) for name, table in singles.items()}
    found = {name: blended(of_it) for name, of_it in blend.members(tables, baseline, settings.linear).items()}
    return Crossfitted(decisions | {name: decided for name, (decided, _) in found.items()}, found[ENSEMBLE][1])


def score_table(
    codebook: Codebook,
    labels: pd.DataFrame,
    decisions: Mapping[str, pd.DataFrame],
    resamples: int,
    seed: int,
    smallest: int,
    groups: pd.Series | None = None,
) -> dict[str, Any]:
    """The metrics of the ensemble beside every system's, as released.

    Args:
        codebook: gives the variables.
        labels: at least the cases of the decisions.
        decisions: system -> decisions, all of the same cases; the ensemble and the baseline among them.
        resamples: of the intervals.
        seed: the global one.
        smallest: the smallest count to release.
        groups: uid -> group, drawn together for the intervals; None: each case stands alone.

    Returns:
        `cases`; `f1` of the ensemble, its `interval` as of `metrics.score_interval`; the mean F1 of all `systems`; the
        `difference` of each from the baseline with its paired interval. Withheld and rounded by `small_counts.scores`.
        `no_gain`: the variables whose F1 is not surely above the baseline's, of those where both may be released.
    """
    points = {name: metrics.scores(codebook, labels, table) for name, table in decisions.items()}
    drawing = derive_seed(seed, "resamples")
    drawn = metrics.bootstrap_by_variable(codebook, labels, decisions, resamples, drawing, groups)
    means = {name: of_it.mean(axis=1) for name, of_it in drawn.items()}
    table = {
        "cases": len(decisions[ENSEMBLE]),
        "f1": points[ENSEMBLE],
        "interval": metrics.score_interval(codebook, labels, decisions[ENSEMBLE], means[ENSEMBLE]),
        "systems": {name: {"f1": point["mean"]} for name, point in points.items()},
        "difference": {
            name: {"difference": points[name]["mean"] - points[BASELINE]["mean"]}
            | metrics.interval(means[name] - means[BASELINE])
            for name in points
            if name != BASELINE
        },
    }
    released = small_counts.scores(codebook, labels, decisions[ENSEMBLE], table, smallest)
    if "f1" not in released:
        return released
    gains = drawn[ENSEMBLE] - drawn[BASELINE]
    rests_on = small_counts.bases(codebook, labels, decisions[BASELINE])
    told = [name for name, basis in rests_on.items() if released["f1"][name] is not None and basis.fewest >= smallest]
    return released | {"no_gain": [name for name in told if metrics.interval(gains[name])["low"] <= 0]}


def by_fold(
    codebook: Codebook,
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    folds: pd.Series,
    seed: int,
    smallest: int,
    groups: pd.Series | None = None,
) -> dict[str, dict[str, Any]]:
    """Model -> fold -> the metrics of its predictions of that fold's held-out cases; see `crossfit.report`.

    Args:
        codebook: gives the variables.
        tables: model -> out-of-fold predictions table.
        labels: int16 codes, -1 where not coded.
        folds: uid -> fold.
        seed: the global one.
        smallest: the smallest count to release.
        groups: uid -> group, each in one part; None: each case stands alone.
    """
    held = {str(fold): uids.index for fold, uids in folds.groupby(folds)}

    def scored(table: pd.DataFrame) -> dict[str, Any]:
        return crossfit.report(codebook, table, labels, seed, smallest, groups)

    return {name: {fold: scored(table.loc[uids]) for fold, uids in held.items()} for name, table in tables.items()}


def lines(table: Mapping[str, Any]) -> str:
    """The score table as released, for the terminal, best system first."""
    if table["cases"] is None:
        return f"scores withheld: they rest on counts below {table['suppressed']['below']}"
    found = [f"{'system':<16} mean F1   against the baseline (95 %)"]
    for name, system in sorted(table["systems"].items(), key=lambda item: -item[1]["f1"]):
        gain = table["difference"].get(name)
        against = f"{gain['difference']:<+9} {gain['low']:+} to {gain['high']:+}" if gain else ""
        found.append(f"{name:<16} {system['f1']:<9} {against}".rstrip())
    low, high = table["interval"]["low"], table["interval"]["high"]
    few = f"no interval, more than {metrics.THIN:.0%} of the variables have fewer than {metrics.FEW} true labels"
    found.append(f"mean F1 of the ensemble: {few if low is None else f'{low} to {high} (95 %)'}")
    told = sum(f1 is not None for name, f1 in table["f1"].items() if name != "mean")
    found.append(f"no_gain: {len(table['no_gain'])} of {told} variables are not surely above the baseline")
    return "\n".join(found)


def meaning(folds: int) -> str:
    """What out-of-fold scores say of new cases (docs/evidence/experiments.md has by how much), for the terminal."""
    return (
        f"out-of-fold: single models, each of {folds - 1}/{folds} of the cases; new cases get the mean of {folds}: "
        "expect a little more"
    )


def f1_plot(codebook: Codebook, tables: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Rows `variable`, `system`, `f1` of the score tables of systems, as released; no row where an F1 is withheld."""
    rows = [
        (variable, name, value)
        for variable in codebook.names
        for name, table in tables.items()
        if (value := table.get("f1", {}).get(variable)) is not None
    ]
    return pd.DataFrame(rows, columns=["variable", "system", "f1"])


def reliability_plot(
    codebook: Codebook, labels: pd.DataFrame, tables: Mapping[str, pd.DataFrame], smallest: int
) -> pd.DataFrame:
    """How often what got a probability was true, in ten bins of equal width over all coded columns.

    A binary variable is one column (its 1), a categorical one a column a code.

    Returns:
        Rows `system`, `predicted` (mean probability), `observed` (share), `count`; empty bins left out, those with few
        hits or few misses joined with their neighbours; shares with the decimals that `count` supports.
    """
    rows = []
    for name, table in tables.items():
        given, true = [], []
        for variable in codebook.variables:
            codes = variable.codes[-len(variable.columns) :]
            found = labels.loc[table.index, variable.name].to_numpy()
            coded = found != NOT_CODED
            given.append(table[list(variable.columns)].to_numpy(np.float64)[coded].ravel())
            true.append((found[coded, None] == np.array(codes)).ravel())
        frame = pd.DataFrame({"predicted": np.concatenate(given), "observed": np.concatenate(true).astype(float)})
        bins = (frame["predicted"] * BINS).astype(int).clip(upper=BINS - 1)
        hits = frame.groupby(bins)["observed"].agg(["sum", "size"])
        joined = small_counts.joined(hits["sum"].to_numpy(), (hits["size"] - hits["sum"]).to_numpy(), smallest)
        summary = frame.groupby(bins.map(dict(zip(hits.index, joined, strict=True)))).agg(
            predicted=("predicted", "mean"), observed=("observed", "mean"), count=("observed", "size")
        )
        rows.append(summary[summary.index >= 0].assign(system=name)[["system", "predicted", "observed", "count"]])
    found = pd.concat(rows, ignore_index=True)
    for column in ("predicted", "observed"):
        found[column] = [
            round(share, small_counts.decimals(count, smallest))
            for share, count in zip(found[column], found["count"], strict=True)
        ]
    return found


def write_plot(path: Path, rows: pd.DataFrame) -> None:
    """Write the data of a plot as CSV, whole or not at all."""
    with replaced(path) as partial:
        rows.to_csv(partial, index=False, lineterminator="\n")
