"""Run cards and loss curves: what made a result, and how it went."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from abstractor.base.files import replaced, write_json

_PACKAGES = ("torch", "transformers", "peft", "datasets", "accelerate", "numpy", "pandas", "safetensors")


def write_card(path: Path, computed_on: str | None, seconds: float, **content: Any) -> None:
    """Write a run card: what made a result. Kept apart from the model folder, whose hash it must not change.

    Args:
        path: of the JSON file.
        computed_on: device and dtype with their reasons; None for a stage without a model.
        seconds: wall-clock time of the run.
        content: resolved parameters, seeds tried, counts; never a case's text.
    """
    card = {
        "commit": _commit(),
        "compute": computed_on or "cpu",
        "python": platform.python_version(),
        "seconds": round(seconds, 1),
        "versions": versions(),
        **content,
    }
    write_json(path, card)


def write_curve(path: Path, curve: list[tuple[int, str, float]]) -> None:
    """Write a loss curve as a tab-separated table (step, part, loss) for `dvc plots`."""
    with replaced(path) as partial:
        rows = [f"{step}\t{part}\t{loss:.5f}\n" for step, part, loss in curve]
        partial.write_text("step\tpart\tloss\n" + "".join(rows), encoding="utf-8")


def versions() -> dict[str, str]:
    """The packages whose version may change a result."""
    return {name: version(name) for name in _PACKAGES}


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
