"""Gather the new-case predictions of all models and folds in one table: python stages/infer_t4.py."""

from pathlib import Path

from abstractor.base import members
from abstractor.base.params import CorpusName, Params
from abstractor.base.script import run_script
from abstractor.data.cases import codebook
from abstractor.scoring import gathering


def main() -> None:
    """Write each model's mean over its folds; refuse when a model or fold that params call for is missing."""
    params = Params()
    crew = members.read(params)
    book = codebook.load(Path(f"data/codebooks/{params.get('corpus', CorpusName)}.yaml"))
    cases = gathering.new_cases(Path("data/predictions/infer_t4.parquet"), Path("data/predictions/new"), crew, book)
    print(f"infer_t4: {len(crew.names)} models, {len(crew.folds)} folds, {cases} new cases")


if __name__ == "__main__":
    run_script(main)
