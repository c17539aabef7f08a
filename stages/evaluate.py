"""Score the submission where the new cases have labels, which reach no other stage: python stages/evaluate.py."""

from pathlib import Path

from abstractor.base.script import run_script

METRICS = Path("metrics/evaluate.json")


def main() -> None:
    """Write the score of the submission and of every system on the new cases, or that nothing is coded."""
    from abstractor.base import files
    from abstractor.base.params import Seed
    from abstractor.data import copies
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import NOT_CODED
    from abstractor.data.raw.cases import read_labels, read_uids
    from abstractor.runs.inputs import Inputs
    from abstractor.scoring.ensemble import blend, report, submission
    from abstractor.scoring.scores import small_counts

    inputs = Inputs()
    score_copies = inputs.get("score_copies", bool)
    seed, resamples = inputs.get("seed", Seed), inputs.get("ensemble", blend.EnsembleParams).resamples
    smallest = inputs.get("smallest_count", small_counts.SmallestCount)
    book = codebook.load(inputs.codebook())
    path = inputs.file(f"data/raw/{inputs.corpus()}/test_labels.csv")
    submitted = submission.read(inputs.file("data/predictions/submission.csv"), book)
    systems = submission.read_systems(inputs.file("data/predictions/decisions.parquet"), book)
    systems[report.ENSEMBLE] = submitted
    # A slice of the new cases may be scored: the labels of all are read and checked, those of the slice are used.
    listed = read_uids(path)
    submission.check_covered(path, listed, submitted.index)
    labels = read_labels(path, book, listed).loc[submitted.index]
    labels = labels[(labels != NOT_CODED).any(axis=1)]
    found = copies.read(inputs.file("data/predictions/copies.parquet"))
    repeated = copies.repeated(labels.index, found)
    if repeated.any() and not score_copies:
        print(f"evaluate: {repeated.sum()} new cases left out, copies of training cases or of other new ones")
        labels = labels[~repeated]
    if labels.empty:
        files.write_json(METRICS, {"cases": 0})
        print(f"evaluate: no label of a new case in {path}, nothing to score")
        return
    decisions = {system: decided.loc[labels.index] for system, decided in systems.items()}
    groups = copies.grouped(labels.index, found)
    table = report.score_table(book, labels, decisions, resamples, seed, smallest, groups)
    files.write_json(METRICS, table)
    print(report.lines(table))


if __name__ == "__main__":
    run_script(main)
