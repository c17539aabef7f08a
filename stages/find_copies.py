"""Name the new cases that are copies of training cases, or of one another: python stages/find_copies.py."""

from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write the table of copies, and which share of the cases they are, where a share tells no small count."""
    from abstractor.base import files
    from abstractor.data import copies, folds
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases
    from abstractor.runs.inputs import Inputs
    from abstractor.scoring.scores import small_counts

    inputs = Inputs()
    settings = inputs.get("copies", copies.CopiesParams)
    smallest = inputs.get("smallest_count", small_counts.SmallestCount)
    book = codebook.load(inputs.codebook())
    training = read_prepared_cases(inputs.file("data/prepared/cases.parquet"), book)
    groups = folds.read_groups(inputs.file("data/prepared/folds.parquet"))
    new = read_prepared_cases(inputs.file("data/prepared/new_cases.parquet"), book)
    found = copies.among_new(training, new, settings.similarity)
    repeated = len(groups) - groups.nunique()
    shares = {
        "training": small_counts.share(repeated, len(groups), smallest),
        "new": small_counts.share(len(found), len(new), smallest),
    }
    copies.write(Path("data/predictions/copies.parquet"), found)
    files.write_json(Path("metrics/copies.json"), shares)
    seen = int((found["among"] == copies.TRAINING).sum())
    print(f"{len(found)} of {len(new)} new cases are copies: {seen} of training cases, {len(found) - seen} of new ones")


if __name__ == "__main__":
    run_script(main)
