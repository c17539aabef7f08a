"""Gather the new-case predictions of all models in one table: python stages/infer_t4.py."""

from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write each model's mean over its readers; refuse when one that params call for is missing."""
    from abstractor.base import members
    from abstractor.data.cases import codebook
    from abstractor.predicting import gathering
    from abstractor.runs.inputs import Inputs

    inputs = Inputs()
    models, book = members.read(inputs), codebook.load(inputs.codebook())
    folder = inputs.file("data/predictions/new")
    cases = gathering.new_cases(Path("data/predictions/infer_t4.parquet"), folder, models, book)
    print(f"infer_t4: {len(models.names)} models, {len(models.readers)} readers of each, {cases} new cases")


if __name__ == "__main__":
    run_script(main)
