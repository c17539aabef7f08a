"""Fit weights and thresholds on the out-of-fold predictions, score them, decide the new cases.

python stages/ensemble.py
"""

from pathlib import Path

from abstractor.base.script import run_script

PREDICTED, METRICS = Path("data/predictions"), Path("metrics")


def main() -> None:
    """Write the blend, the submission, all systems' decisions, every cross-fitted score and the data of two plots."""
    from abstractor.base import files, members
    from abstractor.base.params import Seed
    from abstractor.data import folds, predictions
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_labels
    from abstractor.predicting import gathering
    from abstractor.runs.inputs import Inputs
    from abstractor.scoring.ensemble import blend, report, submission
    from abstractor.scoring.scores import crossfit, small_counts, thresholds

    inputs = Inputs()
    models, seed = members.read(inputs), inputs.get("seed", Seed)
    settings = inputs.get("ensemble", blend.EnsembleParams)
    smallest = inputs.get("smallest_count", small_counts.SmallestCount)
    book = codebook.load(inputs.codebook())
    labels = read_prepared_labels(inputs.file("data/prepared/labels.parquet"), book)
    path = inputs.file("data/prepared/folds.parquet")
    assignment, groups = folds.read(path), folds.read_groups(path)
    oof = gathering.out_of_fold(inputs.file("data/predictions/oof"), models, assignment, book)
    new = gathering.read(inputs.file("data/predictions/infer_t4.parquet"), models, book)
    paths = {part: inputs.file(f"data/predictions/baseline/{part}.parquet") for part in ("oof", "new")}
    baseline = {part: predictions.read(path, book) for part, path in paths.items()}
    gathering.same_cases(labels.index, assignment.index, "data/prepared/folds.parquet", "prepare")
    gathering.same_cases(labels.index, baseline["oof"].index, str(paths["oof"]), "baseline")
    gathering.same_cases(new[models.names[0]].index, baseline["new"].index, str(paths["new"]), "baseline")

    coded, fresh = (
        blend.members(tables, baseline[part], settings.linear) for part, tables in (("oof", oof), ("new", new))
    )
    blends = {name: blend.fit(book, tables, labels, settings.prior) for name, tables in coded.items()}
    singles = {report.BASELINE: baseline["oof"]} | oof
    cuts = {system: thresholds.fit(book, table, labels) for system, table in singles.items()}
    cuts |= {name: fitted.thresholds for name, fitted in blends.items()}
    probabilities = {report.BASELINE: baseline["new"]} | new
    probabilities |= {name: blend.pool(book, fresh[name], fitted) for name, fitted in blends.items()}
    decisions = {system: thresholds.decide(book, table, cuts[system]) for system, table in probabilities.items()}
    layout = inputs.file(f"data/raw/{inputs.corpus()}/submission_format.csv")
    asked = submission.arranged(decisions[report.ENSEMBLE], book, layout)

    scored = report.crossfitted(book, oof, baseline["oof"], labels, settings, seed, groups)
    table = report.score_table(book, labels, scored.decisions, settings.resamples, seed, smallest, groups)
    below = crossfit.report(book, baseline["oof"], labels, seed, smallest, groups)
    blended = {report.BASELINE: baseline["oof"], report.ENSEMBLE: scored.blended}

    blend.write(blend.PATH, blends, cuts)
    submission.write(PREDICTED / "submission.csv", asked)
    submission.write_systems(PREDICTED / "decisions.parquet", decisions)
    files.write_json(METRICS / "ensemble.json", table)
    files.write_json(METRICS / "baseline.json", below)
    files.write_json(METRICS / "oof.json", report.by_fold(book, oof, labels, assignment, seed, smallest, groups))
    report.write_plot(METRICS / "plots/f1.csv", report.f1_plot(book, {report.BASELINE: below, report.ENSEMBLE: table}))
    report.write_plot(METRICS / "plots/reliability.csv", report.reliability_plot(book, labels, blended, smallest))
    print(report.lines(table))
    print(report.meaning(assignment.nunique()))


if __name__ == "__main__":
    run_script(main)
