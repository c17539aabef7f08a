"""Run every benchmark: python benchmarks/all.py [--quick] [--only NAME ..] [--table].

Each runs as a command of its own, one after the other; its last line is kept in benchmarks/results, so that one of
them can be run again alone. Writes docs/evidence/benchmarks.md. A quick run shows that they work and writes nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from abstractor.base.yaml_file import read_yaml

ROOT = Path(__file__).parents[1]
RESULTS, REMARKS = ROOT / "benchmarks/results", ROOT / "benchmarks/remarks.yaml"
PAGE = ROOT / "docs/evidence/benchmarks.md"
TITLES = {
    "ar_scoring": "Scoring by a language model",
    "ar_training": "A LoRA training step",
    "sc_training": "Training a sequence classifier",
    "prediction": "Prediction in batches",
    "ensemble": "Weights and thresholds",
    "utilisation": "Fraction of the machine",
    "plan_check": "Counted against measured seconds",
    "beside": "Beside another job",
    "growth": "Growth with the number of cases",
    "reruns": "Reruns and starts",
}
"""Benchmarks in the order in which they run."""
PACKAGES = ("torch", "transformers", "peft", "scikit-learn", "optuna", "dvc")

Content = dict[str, Any]
"""What a benchmark prints on its last line, with date and versions."""


def run(name: str, quick: bool) -> Content | None:
    """Run a benchmark and show what it prints; None if it failed."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *(["--quick"] if quick else [])]
    last = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if not line.startswith("{"):
                print(line, end="", flush=True)
            last = line
    if process.returncode != 0 or not last.startswith("{"):
        return None
    content: Content = json.loads(last)
    versions = {package: version(package) for package in PACKAGES}
    return content | {"date": datetime.now(UTC).date().isoformat(), "versions": versions}


def page(contents: Mapping[str, Content], remarks: Mapping[str, str]) -> str:
    """The page: one table a benchmark."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` (`benchmarks/all.py`); each section is a command of its own. Seconds are medians",
        "with their smallest and largest value. Both sides ran in turn, on the same cases, after they had been proved",
        "to give the same answer. A ratio says how many times faster this project's way is, or, where one side only is",
        "measured, what the line says.",
    ]
    for name, title in TITLES.items():
        if name in contents:
            lines += ["", *section(name, title, contents[name], remarks.get(name, ""))]
    return "\n".join(lines) + "\n"


def section(name: str, title: str, content: Content, remark: str) -> Iterator[str]:
    """One benchmark."""
    yield f"## {title}"
    yield ""
    versions = ", ".join(f"{package} {number}" for package, number in content["versions"].items())
    yield f"`python benchmarks/{name}.py`, {content['date']}, {content['machine']}; {versions}."
    yield ""
    yield "| what | sizes | seconds | ratio | limit | goal | same answer |"
    yield "|---|---|---|---|---|---|---|"
    notes: list[str] = []
    for result in content["results"]:
        if result["note"] and result["note"] not in notes:
            notes.append(result["note"])
        mark = f" ({notes.index(result['note']) + 1})" if result["note"] else ""
        yield (
            f"| {result['what']}{mark} | {result['sizes']} | {seconds(result['seconds'])} | **{result['ratio']:.2f}** "
            f"| {number(result['limit'])} | {goal(result)} | {answer(result)} |"
        )
    for count, note in enumerate(notes, 1):
        yield f"{'' if count > 1 else chr(10)}({count}) {note}  "
    if remark:
        yield ""
        yield remark.strip()


def seconds(sides: Mapping[str, list[float]]) -> str:
    """Median and range of each side."""
    return "; ".join(
        f"{side} {statistics.median(took):.2f}"
        + (f" ({min(took):.2f} to {max(took):.2f}, n = {len(took)})" if len(took) > 1 else "")
        for side, took in sides.items()
    )


def number(value: float | None) -> str:
    """Two digits, or nothing."""
    return "" if value is None else f"{value:.2f}"


def goal(result: Mapping[str, Any]) -> str:
    """The goal and whether it is met."""
    return "" if result["goal"] is None else f"{result['goal']:.2f}, {'met' if result['met'] else '**not met**'}"


def answer(result: Mapping[str, Any]) -> str:
    """Whether both sides gave the same."""
    if result["same_answer"] is None:
        return ""
    found = "" if result["difference"] is None else f", differs by {result['difference']:.1e}"
    return f"{'yes' if result['same_answer'] else '**no**'}{found}"


def main() -> None:
    """Run, keep, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="does it run? Nothing is written")
    parser.add_argument("--only", nargs="+", choices=list(TITLES), default=list(TITLES), help="these alone")
    parser.add_argument("--table", action="store_true", help="write the page from the kept results, run nothing")
    options = parser.parse_args()
    failed = []
    for name in [] if options.table else options.only:
        print(f"== {name}", flush=True)
        content = run(name, options.quick)
        if content is None:
            failed.append(name)
        elif not options.quick:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if not options.quick:
        kept = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
        remarks = read_yaml(REMARKS) or {}
        PAGE.write_text(page(kept, remarks), encoding="utf-8")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
