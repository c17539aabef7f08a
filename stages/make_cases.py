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
    from abstractor.base.params import Params, Seed
    from abstractor.data import folds
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.machine.seeds import derive_seed
    from abstractor.runs import resume
    from abstractor.scoring.scores import small_counts
    from abstractor.training.rounds import synthetic

    params = Params()
    compute = prepare_machine(params.get("infer", Inference))

    from abstractor.models.backbones.local import check_backbone
    from abstractor.writing import make, sources
    from abstractor.writing.settings import MakeCases, Writer
    from abstractor.writing.writer import load_writer

    name, fold, seed = arguments.writer, arguments.fold, params.get("seed", Seed)
    codes, prepared = Path(f"data/codebooks/{params.get('corpus', str)}.yaml"), Path("data/prepared/cases.parquet")
    shared, pin = Path("data/prepared/folds.parquet"), Path("models/writers") / f"{name}.json"
    book, assignment = codebook.load(codes), folds.read(shared)
    cases = read_prepared_cases(prepared, book)
    cases = cases.loc[assignment.index[assignment == fold]]
    writer, settings = params.get(f"writers.{name}", Writer), params.get("make_cases", MakeCases)

    uids, writers = make.possible_sources(book, cases), params.get("making", list[str])
    plan = sources.share(fold, uids, writers, name, settings.cases, derive_seed(seed, "sources", fold))
    check_backbone(pin, writer.backbone)
    inputs = (writer, writers, settings, seed, compute, codes, prepared, shared, pin)
    with resume.kept(f"make_cases/{name}/{fold}", *inputs) as done:
        write = load_writer(writer, name, compute, seed, "make_cases", fold, done=done)
        written = make.make_cases(book, cases, plan, write, writer.style, settings, f"made_{name}_{fold}")
        synthetic.write(Path("data/lessons/cases") / name / f"{fold}.parquet", book, written.cases)
    told = small_counts.written(written.counts, params.get("smallest_count", small_counts.SmallestCount))
    files.write_json(Path("metrics/made") / name / f"{fold}.json", told)
    print(f"{name}/{fold}: {written.counts['kept']} of {written.counts['asked']} cases made")


if __name__ == "__main__":
    run_script(main)
