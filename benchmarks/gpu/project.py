"""A project in the working directory whose stages run by their own scripts, without DVC and without its environment."""

import contextlib
import hashlib
import io
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from support import tiny

from abstractor.base.yaml_file import read_yaml
from gpu.steps import ROOT

SC, AR = "sc1_minilm", "ar_smollm2"
"""The models of the tiny project."""
_LAUNCH = "import sys; path = sys.argv.pop(1); exec(compile(open(path).read(), path, 'exec'))"
"""Runs a script under no file's name: the check of its environment is for users, whose lock this machine lacks."""
_CAP = "import torch; torch.cuda.set_per_process_memory_fraction({!r}); "


def make_tiny(**train: Any) -> None:
    """The tests' tiny project, prepared up to its training sets; `train`: changes of that section."""
    tiny.write_backbones(Path("tiny"))
    tiny.write_corpus(Path("tiny/corpus"), cases=48, new=16, seed=5)
    book = Path("data/codebooks/nvdrs_youth.yaml")
    params = tiny.tiny_params(read_yaml(ROOT / "params.yaml"), Path("tiny"))
    params["train"] |= train
    lay(params)
    stage("import_corpus", "marked", "tiny/corpus", str(book))
    stage("prepare")
    for name, backbone in ((SC, "encoder"), (AR, "decoder")):
        ready(name, backbone)


def lay(params: dict[str, Any]) -> None:
    """What a clone has beside code: parameters, the pipeline's definition, codebooks."""
    write_params(params)
    shutil.copy(ROOT / "dvc.yaml", ".")
    for folder in ("data/codebooks", "data/lessons"):
        shutil.copytree(ROOT / folder, folder, dirs_exist_ok=True)


def ready(name: str, backbone: str) -> None:
    """A model's backbone, its pin and its training sets."""
    stage("fetch_backbone", backbone)
    stage("pin", "models", name)
    stage("training_set", name)


def write_params(params: dict[str, Any]) -> None:
    """Put parameters into params.yaml."""
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def change(model: str, device: str, dtype: str, infer: dict[str, Any] | None = None, **values: Any) -> None:
    """Set a model's parameters, and where it trains and predicts."""
    params = read_yaml(Path("params.yaml"))
    where = {"device": device, "dtype": dtype}
    params["train"] |= where
    params["infer"] |= where | (infer or {})
    params["models"][model] |= values
    write_params(params)


def stage(name: str, *arguments: str) -> str:
    """Run a stage in this process; returns what it printed. Its errors come as they are."""
    said = io.StringIO()
    with mock.patch.object(sys, "argv", [name, *arguments]), contextlib.redirect_stdout(said):
        runpy.run_path(str(ROOT / f"stages/{name}.py"), run_name=name)["main"]()
    return said.getvalue()


def process(name: str, *arguments: str, memory: float | None = None) -> subprocess.Popen[str]:
    """Start a stage in a process of its own; `memory`: the share of the GPU's that it may take."""
    code = ("" if memory is None else _CAP.format(memory)) + _LAUNCH
    command = [sys.executable, "-c", code, str(ROOT / f"stages/{name}.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ))


def killed(running: subprocess.Popen[str], when: Callable[[], bool]) -> bool:
    """Kill a stage once `when` is true; False if it ended before."""
    while not when():
        if running.poll() is not None:
            return False
        time.sleep(0.002)
    running.kill()
    running.communicate()
    return True


def ended(running: subprocess.Popen[str]) -> str:
    """What a stage printed to its end, which must be a good one."""
    printed = running.communicate()[0]
    if running.returncode:
        last = printed.strip().splitlines()[-1:]
        raise RuntimeError(f"a stage left with {running.returncode}: {' '.join(last)}")
    return printed


def hashes(folder: Path) -> dict[str, str]:
    """Name -> sha256 of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
