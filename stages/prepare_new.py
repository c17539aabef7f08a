"""Check the new cases, and cut a slice if asked for. Needs no training data and no labels.

python stages/prepare_new.py
"""

from pathlib import Path

from abstractor import codebook, corpus, folds, raw
from abstractor.errors import run_script
from abstractor.params import Params
from abstractor.runs import Seed, derive_seed


def main() -> None:
    """Read the raw new-case file, write the new cases."""
    params = Params()
    name, seed = params.get("corpus", raw.CorpusName), params.get("seed", Seed)
    size = params.get("new_cases", raw.CaseCount)
    book = codebook.load(Path(f"data/codebooks/{name}.yaml"))
    cases = raw.read_features(Path(f"data/raw/{name}/test_features.csv"), book)
    if size is not None:
        cases = cases.loc[folds.slice_by_length(cases, size, derive_seed(seed, "slice"))]
    corpus.write_cases(Path("data/prepared/new_cases.parquet"), book, cases)
    print(f"{name}: {len(cases)} new cases")


if __name__ == "__main__":
    run_script(main)
