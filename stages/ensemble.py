"""Fit weights and thresholds on the out-of-fold predictions, score them, decide the new cases.

python stages/ensemble.py
"""

from pathlib import Path

from abstractor.base import files, members
from abstractor.base.params import CorpusName, Params, Seed
from abstractor.base.script import run_script
from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import read_prepared_labels
from abstractor.scoring import gathering
from abstractor.scoring.ensemble import blend, report, submission
from abstractor.scoring.scores import small_counts, thresholds

PREPARED, PREDICTED, METRICS = Path("data/prepared"), Path("data/predictions"), Path("metrics")


def main() -> None:
    """Write the blend, the submission, all systems' decisions, the cross-fitted score and the data of two plots."""
    params = Params()
    crew, seed, name = members.read(params), params.get("seed", Seed), params.get("corpus", CorpusName)
    settings = params.get("ensemble", blend.EnsembleParams)
    smallest = params.get("smallest_count", small_counts.SmallestCount)
    book = codebook.load(Path(f"data/codebooks/{name}.yaml"))
    labels = read_prepared_labels(PREPARED / "labels.parquet", book)
    oof = gathering.out_of_fold(PREDICTED / "oof", crew, folds.read(PREPARED / "folds.parquet"), book)
    new = gathering.read(PREDICTED / "infer_t4.parquet", crew, book)
    bar = {part: predictions.read(PREDICTED / f"baseline/{part}.parquet", book) for part in ("oof", "new")}
    gathering.same_cases(labels.index, oof[crew.names[0]].index, "data/prepared/folds.parquet", "prepare")
    gathering.same_cases(labels.index, bar["oof"].index, "data/predictions/baseline/oof.parquet", "baseline")
    gathering.same_cases(
        new[crew.names[0]].index, bar["new"].index, "data/predictions/baseline/new.parquet", "baseline"
    )

    fitted = blend.fit(book, oof, labels, settings.prior)
    singles = {report.BASELINE: bar["oof"]} | oof
    cuts = {system: thresholds.fit(book, table, labels) for system, table in singles.items()}
    cuts[report.ENSEMBLE] = fitted.thresholds
    probabilities = {report.BASELINE: bar["new"]} | new | {report.ENSEMBLE: blend.pool(book, new, fitted.weights)}
    decisions = {system: thresholds.decide(book, table, cuts[system]) for system, table in probabilities.items()}
    asked = submission.arranged(decisions[report.ENSEMBLE], book, Path(f"data/raw/{name}/submission_format.csv"))

    scored = report.crossfitted(book, oof, bar["oof"], labels, settings.prior, seed)
    table = report.score_table(book, labels, scored.decisions, settings.resamples, seed)
    pair = {system: scored.decisions[system] for system in (report.BASELINE, report.ENSEMBLE)}
    f1 = report.f1_plot(book, labels, pair, smallest)
    blended = {report.BASELINE: bar["oof"], report.ENSEMBLE: scored.blended}
    reliability = report.reliability_plot(book, labels, blended, smallest)

    blend.write(blend.PATH, fitted, cuts)
    submission.write(PREDICTED / "submission.csv", asked)
    submission.write_systems(PREDICTED / "decisions.parquet", decisions)
    files.write_json(METRICS / "ensemble.json", small_counts.scores(book, labels, table, smallest))
    report.write_plot(METRICS / "plots/f1.csv", f1)
    report.write_plot(METRICS / "plots/reliability.csv", reliability)
    print(report.lines(table))


if __name__ == "__main__":
    run_script(main)
