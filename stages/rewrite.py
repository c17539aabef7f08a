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
    from abstractor.base.params import Seed
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases, write_cases
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.runs.inputs import Inputs
    from abstractor.scoring.scores import small_counts

    inputs = Inputs()
    compute = inputs.also(prepare_machine(inputs.get("infer", Inference)))

    from abstractor.models.shared.local import check_backbone
    from abstractor.writing.engine.settings import Rewrite, Writer
    from abstractor.writing.engine.writer import load_writer
    from abstractor.writing.rewrite import rewrite_cases

    writer, settings = inputs.get(f"writers.{name}", Writer), inputs.get("rewrite", Rewrite)
    seed, book = inputs.get("seed", Seed), codebook.load(inputs.codebook())
    cases = read_prepared_cases(inputs.file("data/prepared/cases.parquet"), book)
    check_backbone(inputs.file(f"models/writers/{name}.json"), writer.backbone)
    with inputs.kept(f"rewrite/{name}") as done:
        write = load_writer(writer, name, compute, seed, "rewrite", done=done)
        rewritten = rewrite_cases(book, cases, write, writer.style, settings)
        write_cases(Path(f"data/lessons/rewrites/{name}/cases.parquet"), book, rewritten.cases)
    smallest = inputs.get("smallest_count", small_counts.SmallestCount)
    released = small_counts.written(rewritten.counts, smallest, small_counts.secret(cases))
    files.write_json(Path(f"metrics/rewrites/{name}.json"), released)
    kept, asked = (small_counts.shown(released[measure]) for measure in ("kept", "asked"))
    print(f"{name}: {kept} of {asked} cases rewritten")


if __name__ == "__main__":
    run_script(main)
