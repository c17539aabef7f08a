"""What breaks in practice, broken on purpose: each fault is told, loses nothing, and the next run works.

The messages are those of docs/start/faults.md: a test looks for the words that its row quotes.
"""

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from support import tiny
from support.faults import Heard
from support.tally import Tally

from abstractor.runs.integrity import write_seal

pytestmark = [pytest.mark.stage, pytest.mark.reliability]

State = dict[str, bytes]

KEPT = ("data/prepared", "data/training", "data/predictions", "models", "metrics")

FULL = """
cp -a "$place" "$TMPDIR/before" && mount -t tmpfs -o size=32m none "$place" && cp -a "$TMPDIR/before/." "$place"
head -c 64M /dev/zero > "$place/ballast" 2> /dev/null || true
truncate -s -8192 "$place/ballast"
"""
"""A file system of its own with room for two pages."""
LOCKED = """
cp -a "$place" "$TMPDIR/before" && mount --bind "$place" "$place" && mount -o remount,ro,bind "$place"
"""
SAME = """
set +e; "$@"; code=$?
diff -r -x ballast -x '*.tmp' -x runs "$TMPDIR/before" "$place" && echo nothing lost
rm -r "$TMPDIR/before"; exit $code
"""
"""The rest of DVC's own attempts in its cache (`*.tmp`, `runs`) does no harm; a stage must leave nothing."""
TIGHT = """
import torch
whole = torch.nn.functional.linear
def linear(states, *rest):
    if len(states) > {rows}:
        torch.empty(1 << 60)  # refused by the allocator itself, in its own words
    return whole(states, *rest)
torch.nn.functional.linear = linear
"""
WITHOUT = "import sys; sys.modules['{package}'] = None"


@pytest.fixture
def thorough(tally: Tally) -> None:
    """For what takes long and is much like a case that always runs."""
    if not tally.thorough:
        pytest.skip("only with --thorough")


@pytest.fixture
def own_mounts() -> None:
    """Skips where nobody may mount: a test that cannot break anything proves nothing."""
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
        pytest.skip("this machine allows no mount in a namespace of its own")


def state(project: tiny.Project) -> State:
    """All that stages wrote, leftovers included."""
    files = [path for name in KEPT for path in (project.folder / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in files}


def refused(project: tiny.Project, *command: str, code: int = 2) -> str:
    """What a command prints that must fail, with neither traceback nor case text."""
    printed = project.run("bash", "-c", '"$@"; echo "left with $?"', "bash", *command)
    assert f"left with {code}\n" in printed, printed
    assert "Traceback" not in printed
    assert not any(marker in printed for marker in tiny.MARKERS)
    return printed


def with_place(project: tiny.Project, place: str, fault: str, *command: str, code: int = 2) -> str:
    """What `command` prints while a folder suffers from `fault`, which must leave it as it was."""
    script = f"set -e; place={place}; {fault}{SAME}"
    printed = refused(project, "unshare", "-rm", "bash", "-c", script, "bash", *command, code=code)
    assert "nothing lost" in printed, printed
    return printed


def launch(before: str, script: str, *arguments: str) -> list[str]:
    """A command that runs `before` and then a stage, in one process."""
    run = f"import runpy, sys\nsys.argv = {[script, *arguments]!r}\nsys.path[0] = 'stages'\n"
    run += "runpy.run_path(sys.argv[0], run_name='__main__')"
    return ["python", "-c", f"{before}\n{run}"]


def advised(printed: str) -> list[str]:
    """The first command that a message gives."""
    return re.findall(r"`(dvc [^`]+)`", printed)[0].split()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def turn_a_bit(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


# A machine at its limits

WRITERS = {
    "table": ("data/predictions", "python stages/infer_t4.py"),
    "cases": ("data/prepared", "python stages/prepare.py"),
    "adapter": ("models/ar_smollm2", "python stages/train_ar.py ar_smollm2 0"),
    "weights": ("models/sc1_minilm", "python stages/train_sc.py concatenated sc1_minilm 0"),
    "scores": ("data/predictions/oof/sc1_minilm", "python stages/oof.py sc sc1_minilm 0"),
}


@pytest.mark.usefixtures("own_mounts")
@pytest.mark.parametrize("written", WRITERS)
def test_a_full_disk(written: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    writes_into(FULL, written, copy, heard, tally)


@pytest.mark.usefixtures("own_mounts")
@pytest.mark.parametrize("written", WRITERS)
def test_a_read_only_folder(written: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    writes_into(LOCKED, written, copy, heard, tally)


def writes_into(fault: str, written: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    """Run a stage into a folder that takes no more, then as ever."""
    if written != "table" and not tally.thorough:
        pytest.skip("only with --thorough")
    project = copy()
    before, (place, command) = state(project), WRITERS[written]
    with tally.trial("faults"):
        heard(with_place(project, place, fault, *command.split()))
        assert state(project) == before
        project.run(*command.split())
        assert state(project) | metrics_of_time(before) == before


def metrics_of_time(before: State) -> State:
    """Run cards hold seconds, which no two runs share."""
    return {name: content for name, content in before.items() if name.startswith("metrics/cards/")}


@pytest.mark.usefixtures("own_mounts", "thorough")
def test_a_full_cache(copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    project = copy()
    before = state(project)
    with (project.folder / "stages/infer_t4.py").open("a", encoding="utf-8") as script:
        script.write("# changed\n")
    digest = hashlib.md5((project.folder / "data/predictions/infer_t4.parquet").read_bytes()).hexdigest()
    (project.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    with tally.trial("faults"):
        heard(with_place(project, ".dvc/cache", FULL, "dvc", "repro", "infer_t4", code=255))
        project.run("dvc", "repro", "infer_t4")
        assert state(project) == before
        assert project.ran("dvc", "repro") == []


@pytest.mark.usefixtures("thorough")
def test_no_memory_for_a_batch_of_predictions(copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    project = copy()
    path = project.folder / "data/predictions/oof/sc1_minilm/0.parquet"
    before = pd.read_parquet(path)
    with tally.trial("faults"):
        heard(project.run(*launch(TIGHT.format(rows=3), "stages/oof.py", "sc", "sc1_minilm", "0")))
        pd.testing.assert_frame_equal(pd.read_parquet(path), before, atol=1e-5)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("command", ["train_sc.py concatenated sc1_minilm 0", "train_ar.py ar_smollm2 0"])
def test_no_memory_for_a_step_of_training(
    command: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally
) -> None:
    project = copy()
    before = state(project)
    script, *arguments = command.split()
    # More than a row's length or number anywhere: loading and checking the prompts pass, the first step does not.
    with tally.trial("faults"):
        heard(refused(project, *launch(TIGHT.format(rows=1), f"stages/{script}", *arguments)))
        assert state(project) == before


# Models that are not what they should be


def swap(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("1"), folder)


def add_pickle(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(b"")
    write_seal(folder, folder)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut off": (lambda folder: truncate(folder / "adapter_model.safetensors"), "oof.py ar ar_smollm2 0"),
    "another fold": (swap, "oof.py ar ar_smollm2 0"),
    "pickle": (add_pickle, "infer_t4_fold.py ar ar_smollm2 0"),
    "changed": (lambda folder: turn_a_bit(folder / "model.backbone.safetensors"), "infer_t4_fold.py sc sc2_minilm 0"),
    "lacks a file": (lambda folder: (folder / "head.safetensors").unlink(), "infer_t4_fold.py sc sc1_minilm 0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_model_that_is_not_what_training_wrote(
    name: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally
) -> None:
    if name != "another fold" and not tally.thorough:
        pytest.skip("only with --thorough")
    project = copy()
    before, (break_it, command) = state(project), BROKEN[name]
    script, *arguments = command.split()
    _, model, fold = arguments
    break_it(project.folder / "models" / model / fold)
    broken = state(project)
    with tally.trial("faults"):
        printed = refused(project, "python", f"stages/{script}", *arguments)
        heard(printed, name)
        assert state(project) == broken
        project.run(*advised(printed))
        assert state(project) == before
        project.run("python", f"stages/{script}", *arguments)
        assert state(project) == before


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    "command", ["infer_t4_fold.py sc sc1_minilm 0", "oof.py ar ar_smollm2 1", "train_ar.py ar_smollm2 1"]
)
def test_a_backbone_that_is_not_the_pinned_one(
    command: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally
) -> None:
    """Of the same shape, so that nothing but its hash tells."""
    project = copy()
    before = state(project)
    for name in ("encoder", "decoder"):
        weights = project.folder / "models/backbones" / name / "model.safetensors"
        turn_a_bit(weights)
    with tally.trial("faults"):
        printed = refused(project, "python", f"stages/{command.split()[0]}", *command.split()[1:])
        heard(printed)
        for name in ("encoder", "decoder"):
            project.run(*advised(printed)[:-1], f"models/backbones/{name}")
        assert state(project) == before


EXTRA = {"unsloth": {"engine": "unsloth", "layout": "separate"}, "bitsandbytes": {"quantize": "nf4"}}


@pytest.mark.parametrize("package", EXTRA)
def test_a_package_of_the_gpu_extra_is_missing(
    package: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally
) -> None:
    if package != "unsloth" and not tally.thorough:
        pytest.skip("only with --thorough")
    project = copy()
    params, before = project.params(), state(project)
    params["models"]["ar_smollm2"] |= EXTRA[package]
    project.write_params(params)
    with tally.trial("faults"):
        heard(
            refused(project, *launch(WITHOUT.format(package=package), "stages/train_ar.py", "ar_smollm2", "0")), package
        )
        assert state(project) == before
        project.run("git", "checkout", "-q", "params.yaml")
        assert project.ran("dvc", "repro", "train_ar@ar_smollm2-0") == []


# Files that are not what they should be


@pytest.mark.parametrize("stage", ["infer_t4", "ensemble"])
def test_a_folder_of_predictions_is_there_but_empty(
    stage: str, copy: Callable[[], tiny.Project], heard: Heard, tally: Tally
) -> None:
    if stage != "infer_t4" and not tally.thorough:
        pytest.skip("only with --thorough")
    project = copy()
    before = state(project)
    folder = project.folder / "data/predictions" / {"infer_t4": "new", "ensemble": "oof"}[stage]
    shutil.rmtree(folder)
    folder.mkdir()
    with tally.trial("faults"):
        heard(refused(project, "python", f"stages/{stage}.py"))
        assert project.ran("dvc", "repro", stage) == [], "what was made once comes from the cache"
        assert state(project) == before


@pytest.mark.usefixtures("thorough")
def test_a_run_was_killed_while_it_wrote(copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    project = copy()
    before, predictions = state(project), project.folder / "data/predictions"
    half = (predictions / "infer_t4.parquet").read_bytes()[:2000]
    (predictions / ".infer_t4.parquet.partial").write_bytes(half)
    with tally.trial("faults"):
        project.run("python", "stages/infer_t4.py")
        assert state(project) == before
        (predictions / "infer_t4.parquet").write_bytes(half)
        heard(refused(project, "python", "stages/ensemble.py"))
        project.run("dvc", "repro", "ensemble")
        assert state(project) == before


# Time and company


@pytest.mark.usefixtures("thorough")
def test_two_runs_at_once(copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    project = copy()
    before = state(project)
    script, go = project.folder / "stages/infer_t4.py", project.folder / "tiny/go"
    waits = "import os, time\nwhile not os.path.exists('tiny/go'):\n    time.sleep(0.1)\n"
    script.write_text(waits + script.read_text(encoding="utf-8"), encoding="utf-8")
    with tally.trial("faults"), ThreadPoolExecutor(1) as pool:
        first = pool.submit(project.ran, "dvc", "repro", "infer_t4")
        try:
            lock = project.folder / ".dvc/tmp/rwlock"
            while not first.done() and not (lock.exists() and "infer_t4.parquet" in lock.read_text(encoding="utf-8")):
                time.sleep(0.1)
            heard(refused(project, "dvc", "repro", "infer_t4", code=255))
        finally:
            go.touch()
        assert first.result() == ["infer_t4"]
        assert state(project) == before
        assert project.ran("dvc", "repro") == []


@pytest.mark.usefixtures("thorough")
def test_a_clock_set_back(copy: Callable[[], tiny.Project], heard: Heard, tally: Tally) -> None:
    """By a year, and forward by one: what counts is content."""
    project = copy()
    labels = project.folder / "data/raw/marked/train_labels.csv"
    with tally.trial("faults"):
        for shift in (-365, 365):
            then = time.time() + shift * 86400
            for path in [path for path in project.folder.rglob("*") if path.is_file() and ".git" not in path.parts]:
                os.utime(path, (then, then))
            heard(project.run("dvc", "status"))
        content = labels.read_text(encoding="utf-8")
        labels.write_text(content.replace(",0,", ",1,", 1), encoding="utf-8")
        assert labels.stat().st_size == len(content)
        os.utime(labels, (then - 730 * 86400,) * 2)
        assert "prepare:" in project.run("dvc", "status", "prepare")
