"""Write new cases after the cases of one fold: python stages/make_cases.py WRITER FOLD."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write the made cases with their sources, and how many were dropped and why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("writer")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor.base import files
    from abstractor.base.params import Seed
    from abstractor.data import folds
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.machine.seeds import derive_seed
    from abstractor.runs.inputs import Inputs
    from abstractor.scoring.scores import small_counts
    from abstractor.training.rounds import synthetic

    inputs = Inputs()
    compute = inputs.also(prepare_machine(inputs.get("infer", Inference)))

    from abstractor.models.shared.local import check_backbone
    from abstractor.writing import make, sources
    from abstractor.writing.engine.settings import MakeCases, Writer
    from abstractor.writing.engine.writer import load_writer

    name, fold, seed = arguments.writer, arguments.fold, inputs.get("seed", Seed)
    writer, settings = inputs.get(f"writers.{name}", Writer), inputs.get("make_cases", MakeCases)
    book, writers = codebook.load(inputs.codebook()), inputs.get("making", synthetic.Writers)
    assignment = folds.read(inputs.file("data/prepared/folds.parquet"))
    cases = read_prepared_cases(inputs.file("data/prepared/cases.parquet"), book)
    cases = cases.loc[assignment.index[assignment == fold]]

    uids = make.possible_sources(book, cases)
    plan = sources.share(fold, uids, writers, name, settings.cases, derive_seed(seed, "sources", fold))
    check_backbone(inputs.file(f"models/writers/{name}.json"), writer.backbone)
    with inputs.kept(f"make_cases/{name}/{fold}") as done:
        write = load_writer(writer, name, compute, seed, "make_cases", fold, done=done)
        written = make.make_cases(book, cases, plan, write, writer.style, settings, f"made_{name}_{fold}")
        synthetic.write(Path(f"data/lessons/cases/{name}/{fold}.parquet"), book, written.cases)
    smallest = inputs.get("smallest_count", small_counts.SmallestCount)
    released = small_counts.written(written.counts, smallest, small_counts.secret(cases))
    files.write_json(Path(f"metrics/made/{name}/{fold}.json"), released)
    kept, asked = (small_counts.shown(released[measure]) for measure in ("kept", "asked"))
    print(f"{name}/{fold}: {kept} of {asked} cases made")


if __name__ == "__main__":
    run_script(main)
