"""What the code claims about GPUs, checked on one in some twenty minutes: python benchmarks/gpu_check.py.

Steps in the order of benchmarks/gpu/steps.py, each a process under a time limit; one that fails or hangs stops no
other. A second run goes on where the first one ended. Writes gpu-check.json and gpu-check.md into --out (or $OUT), and
on a GPU docs/evidence/gpu-checks.md. Exit code 1 where a step failed.

A bare machine with torch and transformers alone: run `--collect DIR` where there is a package index, carry DIR over,
and run with `--wheels DIR` there. `--device cpu` tries the steps with small shapes.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from gpu import report, running, wheels
from gpu.steps import ROOT, STEPS, Setting, Step


def check(
    steps: Mapping[str, Step],
    setting: Setting,
    out: Path,
    variables: Mapping[str, str],
    again: bool = False,
    minutes: float = float("inf"),
) -> report.Report:
    """Run steps and write what they showed after each.

    Args:
        steps: by name.
        setting: where they run.
        out: folder of results, those of an earlier run included.
        variables: environment of the steps' processes.
        again: run what has a result for the same code and machine, too.
        minutes: no step begins that might end later.

    Returns:
        The report over all steps that have a result.
    """
    ends = time.monotonic() + 60 * minutes
    machine = running.machine(setting.device, variables)
    wanted = running.key(machine, setting)
    found: report.Report = {"machine": machine, "steps": {}}
    for name in [*STEPS, *steps]:
        if (result := running.kept(out / f"{name}.json", wanted)) is not None:
            found["steps"][name] = result
    for name, step in steps.items():
        if name in found["steps"] and not again:
            print(f"{name}: {found['steps'][name]['outcome']} in an earlier run", flush=True)
            continue
        if time.monotonic() + step.limit > ends:
            print(f"{name}: not begun, since it may take {step.limit} s", flush=True)
            continue
        print(f"{name}: {step.claim}", flush=True)
        result = running.run(name, step, setting, out, variables) | {"key": wanted}
        for part in result["parts"]:
            print(f"  {part['outcome']}: {part['part']}: {part['found']}", flush=True)
        print(f"{name}: {result['outcome']} in {result['seconds']:.0f} s", flush=True)
        found["steps"][name] = result
        report.write_result(out / f"{name}.json", result)
        report.write(out, found)
    return found


def options() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(
        description="Check on a GPU what the code claims about it.", epilog="steps: " + ", ".join(STEPS)
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ROOT / "build/gpu-check")))
    parser.add_argument("--steps", default=",".join(STEPS), help="these alone, parted by commas")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no step that may end later")
    parser.add_argument("--again", action="store_true", help="run what has a result already, too")
    parser.add_argument("--osha", type=Path, help="folder of the public OSHA corpus")
    parser.add_argument("--encoder", type=Path, action="append", default=[], help="folder of an encoder for OSHA")
    parser.add_argument("--wheels", type=Path, help="folder of packages that this machine lacks")
    parser.add_argument("--collect", type=Path, metavar="DIR", help="download these packages, run nothing")
    parser.add_argument(
        "--page",
        type=Path,
        metavar="JSON",
        nargs="?",
        const=report.KEPT,
        help="write the page from a JSON, run nothing",
    )
    return parser.parse_args()


def main() -> None:
    """Run, report, write."""
    given = options()
    os.umask(0o077)
    if given.collect:
        wheels.collect(given.collect)
        return
    if given.page:
        report.write_page() if given.page == report.KEPT else report.keep(given.page)
        return
    names = given.steps.split(",")
    if unknown := [name for name in names if name not in STEPS]:
        sys.exit(f"expected steps of {', '.join(STEPS)}, found {', '.join(unknown)}")
    osha = given.osha.resolve() if given.osha else None
    setting = Setting(given.device, osha, tuple(path.resolve() for path in given.encoder))
    given.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        packages = None
        if given.wheels:
            packages = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpu-check-packages-")))
            wheels.unpack(given.wheels, packages)
        variables = running.environment(packages)
        steps = {name: STEPS[name] for name in STEPS if name in names}
        found = check(steps, setting, given.out, variables, given.again, given.minutes)
    if setting.device == "cuda" and found["steps"]:
        report.keep(given.out / "gpu-check.json")
    failed = [name for name in names if found["steps"].get(name, {}).get("outcome") == "failed"]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; {given.out} has their logs")


if __name__ == "__main__":
    main()
