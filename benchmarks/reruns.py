"""What a rerun costs when nothing changed, and how long scripts take to start: python benchmarks/reruns.py [--quick].

`dvc repro` runs in a copy of the project whose every output is in place and committed, so that all it does is to
find that nothing is to be done. The start of a stage is what its script imports when it is loaded, less Python's own.
The ratio is the time allowed over the time taken.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measure

IDLE, IMPORTS = 8.0, 1.0
"""Seconds allowed."""
LIGHT = ("prepare", "ensemble")
"""Stages that load no model."""
LOAD = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='loaded')"


def call(command: list[str], folder: Path) -> str:
    """Run a command with this Python's packages; returns what it printed."""
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(measure.ROOT / "src")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} left with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def finished(folder: Path) -> int:
    """A copy of the project with a placeholder for each output, taken over into DVC; returns the number of stages."""
    from dvc.repo import Repo

    names = call(["git", "ls-files", "--cached", "--others", "--exclude-standard"], measure.ROOT).splitlines()
    for name in names:
        source, target = measure.ROOT / name, folder / name
        if source.exists() and name != "dvc.lock":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    call(["git", "init", "-q"], folder)
    with Repo(str(folder)) as repo:
        outputs = [Path(str(out)) for out in repo.index.outs]
        stages = len(repo.index.stages)
    for output in outputs:
        path = folder / output
        if not path.suffix:  # a folder of models
            path = path / "placeholder"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"placeholder of {output}\n", encoding="utf-8")
    call([sys.executable, "-m", "dvc", "commit", "--force", "--quiet"], folder)
    return stages


def idle(repetitions: int) -> measure.Result:
    """`dvc repro` with nothing to do."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stages = finished(folder)
        before, printed = (folder / "dvc.lock").read_bytes(), [""]

        def repro() -> None:
            printed[0] = call([sys.executable, "-m", "dvc", "repro"], folder)

        seconds = measure.in_turn({"dvc repro": repro}, repetitions)
        unchanged = "Running stage" not in printed[0] and before == (folder / "dvc.lock").read_bytes()
    return measure.Result(
        what=f"dvc repro with nothing to do, times below {IDLE:.0f} s",
        sizes=f"the default pipeline, {stages} stages",
        ratio=IDLE / statistics.median(seconds["dvc repro"]),
        goal=1.0,
        same_answer=unchanged,
        seconds=seconds,
        note="same answer: no stage ran and dvc.lock is as it was",
    )


def starts(names: list[str], repetitions: int) -> list[measure.Result]:
    """Imports of stage scripts."""

    def command(script: str) -> Callable[[], str]:
        return lambda: call([sys.executable, "-c", LOAD, script], measure.ROOT)

    bare = measure.in_turn({"python": lambda: call([sys.executable, "-c", "pass"], measure.ROOT)}, repetitions)
    results = []
    for name in names:
        seconds = measure.in_turn({name: command(f"stages/{name}.py")}, repetitions)
        took = statistics.median(seconds[name]) - statistics.median(bare["python"])
        results.append(
            measure.Result(
                what=f"imports of stage {name}, times below {IMPORTS:.0f} s",
                sizes=f"{took:.2f} s",
                ratio=IMPORTS / took,
                goal=1.0 if name in LIGHT else None,
                seconds=seconds,
            )
        )
    return results


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    scripts = sorted(path.stem for path in (measure.ROOT / "stages").glob("*.py"))
    start = time.perf_counter()
    results = [idle(1 if options.quick else 3)]
    results += starts(list(LIGHT) if options.quick else scripts, 1 if options.quick else 3)
    measure.report("reruns", results, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
