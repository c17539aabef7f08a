"""One JSON, one table, and the page of the documentation that is written from them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gpu.steps import ROOT, STEPS, Step

PAGE, KEPT = ROOT / "docs/evidence/gpu-checks.md", ROOT / "benchmarks/results/gpu_check.json"
BEGIN, END = "<!-- written by benchmarks/gpu_check.py -->", "<!-- to here -->"
NOT_YET = "not yet run on a GPU"

Report = dict[str, Any]
"""`machine` (see `running.machine`) and `steps`: name -> result of each that has ended."""


def table(report: Mapping[str, Any] | None, steps: Mapping[str, Step] = STEPS) -> str:
    """The steps with their claims and what each part showed; None: nothing has run."""
    found = report or {"steps": {}}
    return "\n".join(
        [*_heading(report), "", "| step | claim or part | outcome | found |", "|---|---|---|---|"]
    ) + "".join(f"\n{line}" for name, step in steps.items() for line in _rows(name, step, found["steps"].get(name)))


def _heading(report: Mapping[str, Any] | None) -> Iterator[str]:
    if report is None:
        yield "None of these steps has run on a GPU yet."
        return
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    memory = f" ({machine['memory_gb']} GB, CUDA {machine['cuda']})" if "cuda" in machine else ""
    yield f"{machine['device']}{memory}, commit {machine['commit']}, Python {machine['python']}, {versions}."
    if others := _not_the_lock(machine["versions"]):
        yield f"Not the versions of the lock: {', '.join(others)}."


def _not_the_lock(versions: Mapping[str, str]) -> list[str]:
    """Packages that are of another version than requirements/gpu.txt has; a build such as +cu130 is the same one."""
    lines = (ROOT / "requirements/gpu.txt").read_text(encoding="utf-8").splitlines()
    lock = dict(line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith((" ", "#")))
    return [
        f"{name} {version} instead of {lock[name]}"
        for name, version in versions.items()
        if name in lock and version.partition("+")[0] != lock[name]
    ]


def _rows(name: str, step: Step, result: Mapping[str, Any] | None) -> Iterator[str]:
    if result is None:
        yield _row(f"**{name}**", step.claim, NOT_YET, "")
        return
    yield _row(f"**{name}**", step.claim, f"**{result['outcome']}**", f"{result['seconds']:.0f} s")
    for part in result["parts"]:
        yield _row("", part["part"], part["outcome"], part["found"])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"


def write(out: Path, report: Report) -> None:
    """The JSON and the table of a run, and the page if it was one on a GPU."""
    content = json.dumps(report, indent=1) + "\n"
    (out / "gpu-check.json").write_text(content, encoding="utf-8")
    (out / "gpu-check.md").write_text(table(report) + "\n", encoding="utf-8")


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Keep the result of one step, for a later run."""
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def keep(path: Path) -> None:
    """Keep a JSON of a GPU in the tree, and write the page from it.

    Raises:
        SystemExit: it is one of a CPU.
    """
    report = json.loads(path.read_text(encoding="utf-8"))
    if report["machine"]["device"] == "cpu":
        raise SystemExit(f"{path}: expected a run on a GPU, found one on a CPU, which proves nothing of a GPU")
    KEPT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    write_page()


def write_page() -> None:
    """Put the table of the kept run between the page's markers."""
    report = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else None
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")


def page(text: str, report: Mapping[str, Any] | None) -> str:
    """The page with what stands between its markers made anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table(report)}\n\n{END}{rest.partition(END)[2]}"
