"""Paraphrase the narratives of all training cases with one writer: python stages/rewrite.py WRITER."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write the paraphrased cases, and how many were dropped and why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("writer")
    name = parser.parse_args().writer

    from abstractor.base import files
    from abstractor.base.params import Params, Seed
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases, write_cases
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.runs import resume
    from abstractor.scoring.scores import small_counts

    params = Params()
    compute = prepare_machine(params.get("infer", Inference))

    from abstractor.models.backbones.local import check_backbone
    from abstractor.writing.rewrite import rewrite_cases
    from abstractor.writing.settings import Rewrite, Writer
    from abstractor.writing.writer import load_writer

    codes, prepared = Path(f"data/codebooks/{params.get('corpus', str)}.yaml"), Path("data/prepared/cases.parquet")
    book, pin = codebook.load(codes), Path("models/writers") / f"{name}.json"
    cases = read_prepared_cases(prepared, book)
    writer, settings = params.get(f"writers.{name}", Writer), params.get("rewrite", Rewrite)
    seed = params.get("seed", Seed)

    check_backbone(pin, writer.backbone)
    with resume.kept(f"rewrite/{name}", writer, settings, seed, compute, codes, prepared, pin) as done:
        write = load_writer(writer, name, compute, seed, "rewrite", done=done)
        rewritten = rewrite_cases(book, cases, write, writer.style, settings)
        write_cases(Path("data/lessons/rewrites") / name / "cases.parquet", book, rewritten.cases)
    told = small_counts.written(rewritten.counts, params.get("smallest_count", small_counts.SmallestCount))
    files.write_json(Path("metrics/rewrites") / f"{name}.json", told)
    print(f"{name}: {rewritten.counts['kept']} of {rewritten.counts['asked']} cases rewritten")


if __name__ == "__main__":
    run_script(main)
