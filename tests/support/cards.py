"""Runs what a model's card tells its readers to run, where nothing of the project can be imported."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

_ALONE = "import sys; sys.modules['abstractor'] = None\n"
_ASK = "\nprint(json.dumps([probabilities(case) for case in json.loads(sys.argv[1])]))\n"


def code(folder: Path) -> str:
    """The one block of Python of a model folder's card."""
    (block,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def told(folder: Path, cases: pd.DataFrame, narratives: Sequence[str]) -> pd.DataFrame:
    """Probabilities of cases by the card of a folder, run in the working directory."""
    asked = json.dumps(cases[list(narratives)].to_numpy().tolist())
    command = [sys.executable, "-I", "-c", _ALONE + code(folder) + _ASK, asked]
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return pd.DataFrame(json.loads(done.stdout.splitlines()[-1]), index=cases.index)
