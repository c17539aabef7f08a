"""Check the new cases, and cut a slice if asked for. Needs no training data and no labels.

python stages/prepare_new.py
"""

from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Read the raw new-case file, write the new cases."""
    from abstractor.base.params import Seed
    from abstractor.data import folds
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import write_cases
    from abstractor.data.raw.cases import CaseCount, read_features
    from abstractor.machine.seeds import derive_seed
    from abstractor.runs.inputs import Inputs

    inputs = Inputs()
    name, seed, size = inputs.corpus(), inputs.get("seed", Seed), inputs.get("new_cases", CaseCount)
    book = codebook.load(inputs.codebook())
    cases = read_features(inputs.file(f"data/raw/{name}/test_features.csv"), book)
    if size is not None:
        cases = cases.loc[folds.slice_by_length(cases, size, derive_seed(seed, "slice"))]
    write_cases(Path("data/prepared/new_cases.parquet"), book, cases)
    print(f"{name}: {len(cases)} new cases")


if __name__ == "__main__":
    run_script(main)
