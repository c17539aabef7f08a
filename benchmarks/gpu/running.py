"""Runs steps: each a process under its limit, its result kept, so that a second run goes on with the others."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gpu.steps import ROOT, Setting, Step

PACKAGES = ("torch", "transformers", "accelerate", "peft", "bitsandbytes", "datasets", "unsloth")
"""Whose versions stand beside the results."""
_MACHINE = """
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
device, names = sys.argv[1], sys.argv[2:]
found = {"device": device, "python": platform.python_version(), "versions": {}}
for name in names:
    try: found["versions"][name] = version(name)
    except PackageNotFoundError: pass
if device == "cuda":
    import torch
    if not torch.cuda.is_available(): sys.exit("no CUDA device that this torch can use")
    found["device"] = torch.cuda.get_device_name(0)
    found["memory_gb"] = round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1)
    found["cuda"] = torch.version.cuda
print(json.dumps(found))
"""

Result = dict[str, Any]
"""Of a step: `outcome`, `seconds`, `parts` (notes of `child`), `key`."""


def environment(packages: Path | None) -> dict[str, str]:
    """Variables of a step's process: the modules that it finds, those that the machine lacks first; no network."""
    own = [ROOT / "src", ROOT / "benchmarks", ROOT / "tools", ROOT / "tests"]
    modules = [*([packages] if packages else []), *own]
    quiet = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
    quiet |= {"TOKENIZERS_PARALLELISM": "false", "PYTHONDONTWRITEBYTECODE": "1"}
    return dict(os.environ) | quiet | {"PYTHONPATH": os.pathsep.join(map(str, modules))}


def machine(device: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The device, its memory, Python and the versions of packages, asked of a process as the steps will be.

    Raises:
        SystemExit: cuda is asked for and there is none.
    """
    command = [sys.executable, "-c", _MACHINE, device, *PACKAGES]
    done = subprocess.run(command, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr.strip()}\n--device cpu shows that the check works, with small shapes")
    return {**json.loads(done.stdout), "commit": commit()}


def commit() -> str:
    """Of the project, `-dirty` with changes; where git is not, a hash of the code."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    with suppress(FileNotFoundError):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if found := done.stdout.strip():
            return found
    return f"code {code()[:12]}"


def code() -> str:
    """A hash of all that a result follows from beside the machine."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").glob("*.py"), *(ROOT / "recipes").glob("*.yaml")]
    files += [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "benchmarks/gpu").glob("*.py"), ROOT / "params.yaml"]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def key(found: Mapping[str, Any], setting: Setting) -> str:
    """What a kept result holds for: the code, the device, the packages, the data."""
    known = [code(), found["device"], found["versions"], str(setting.osha), list(map(str, setting.encoders))]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def kept(path: Path, wanted: str) -> Result | None:
    """The result of an earlier run for the same key."""
    with suppress(FileNotFoundError, ValueError):
        result: Result = json.loads(path.read_text(encoding="utf-8"))
        return result if result["key"] == wanted else None
    return None


def run(name: str, step: Step, setting: Setting, out: Path, variables: Mapping[str, str]) -> Result:
    """Run a step to its end or its limit; what it prints goes to `out`/NAME.log."""
    notes = (out / f"{name}.notes").resolve()
    notes.unlink(missing_ok=True)
    order: dict[str, Any] = {"parts": step.parts, "device": setting.device, "notes": str(notes)}
    order |= {"osha": str(setting.osha) if setting.osha else None, "encoders": list(map(str, setting.encoders))}
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch, (out / f"{name}.log").open("wb") as log:
        ended = _to_its_end([sys.executable, "-m", "gpu.child", json.dumps(order)], step.limit, scratch, variables, log)
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
    parts = {(note := json.loads(line))["part"]: note for line in lines}  # the end of a part replaces its beginning
    if ended:
        last = next((part for part, note in parts.items() if "outcome" not in note), "the step itself")
        parts[last] = {"part": last, "outcome": "failed", "found": ended}
    notes.unlink(missing_ok=True)
    outcomes = {note["outcome"] for note in parts.values()}
    outcome = next((one for one in ("failed", "ok") if one in outcomes), "skipped")
    return {"outcome": outcome, "seconds": round(time.monotonic() - start, 1), "parts": [*parts.values()]}


def _to_its_end(command: list[str], limit: float, scratch: str, variables: Mapping[str, str], log: Any) -> str:
    """Run a process and whatever it starts; returns how it ended if not well."""
    process = subprocess.Popen(
        command, cwd=scratch, env=dict(variables), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        left = process.wait(limit)
    except subprocess.TimeoutExpired:
        return f"killed at its limit of {limit:g} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"its process left with {left}; the log has the rest" if left else ""
