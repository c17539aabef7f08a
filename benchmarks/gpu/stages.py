"""The real stages on the tiny project: stopped and gone on with, quantised, short of memory."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from gpu import project
from gpu.steps import Found, Part, Setting, Skipped

FOLD = "0"
TRAIN = {project.SC: ("train_sc", "concatenated", project.SC, FOLD), project.AR: ("train_ar", project.AR, FOLD)}
LONG: dict[str, Any] = {"epochs": 6}
"""So many steps that a kill comes in time."""
CLOSE = {"none": 0.02, "nf4": 0.05, "int8": 0.05}
"""Probabilities of a GPU's float16 and a CPU's float32, by what holds the frozen weights."""
TOKENS, CAP = 2_000_000, 0.15
"""A batch whose states take more than so many GB; its rows times heads stay below a kernel's limit of 65,535."""
NOTHING = 1e-5
"""Share of a GPU's memory in which no training fits."""


def resume(setting: Setting) -> Iterator[Part]:
    """Each kind of model in each dtype: twice to the end, then killed after a checkpoint and started again."""
    project.make_tiny(deterministic=True)  # else no two runs on a GPU need have the same last bits
    for model in (project.SC,) if setting.small else (project.SC, project.AR):
        for dtype in ("float32",) if setting.small else ("float16", "bfloat16"):
            first = dict[str, str]()
            if not setting.small:
                yield (
                    f"{model}, {dtype}: two unbroken runs write the same files",
                    partial(repeated, setting, model, dtype, first),
                )
            yield (
                f"{model}, {dtype}: killed and started again, the same files",
                partial(resumed, setting, model, dtype, first),
            )


def quantised(setting: Setting) -> Iterator[Part]:
    """The packed language model with its frozen weights in every precision, and with 8-bit AdamW."""
    project.make_tiny()
    for quantize, optimizer in (("none", "adamw"), ("none", "adamw_8bit"), ("nf4", "adamw"), ("int8", "adamw")):
        yield f"quantize: {quantize}, optimizer: {optimizer}", partial(predicts_alike, setting, quantize, optimizer)


def memory(setting: Setting) -> Iterator[Part]:
    """Prediction and training with less memory than they ask for."""
    if setting.small:
        raise Skipped("a CPU's memory has no such limit")
    project.make_tiny()
    yield f"prediction under {CAP} GB", partial(halved, setting)
    yield "training in next to no memory", partial(told, setting)


def repeated(setting: Setting, model: str, dtype: str, first: dict[str, str]) -> Found:
    """Two runs, neither of them stopped; `first` takes the hashes of one for `resumed`."""
    project.change(model, setting.device, dtype, **LONG)
    first |= _trained(model)
    return _same(first, _trained(model))


def resumed(setting: Setting, model: str, dtype: str, first: dict[str, str]) -> Found:
    """A run that is killed once it has a checkpoint, and the next one."""
    project.change(model, setting.device, dtype, **LONG)
    whole = first or _trained(model)
    scratch = Path(".scratch/runs/train", model)
    if not project.killed(project.process(*TRAIN[model]), lambda: any(scratch.glob("*/*/*/whole-*"))):
        return Found(False, "it ended before it could be killed")
    printed = project.ended(project.process(*TRAIN[model]))
    lines = [line for line in printed.splitlines() if line.startswith("going on from step")]
    if not lines:
        return Found(False, "the second run began anew")
    same = _same(whole, project.hashes(Path("models", model, FOLD)))
    return Found(same.holds, f"{lines[0]}; {same.words}")


def _trained(model: str) -> dict[str, str]:
    project.stage(*TRAIN[model])
    return project.hashes(Path("models", model, FOLD))


def _same(one: dict[str, str], other: dict[str, str]) -> Found:
    differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return Found(not differ, f"{', '.join(differ)} differ" if differ else f"{len(one)} files are the same")


def predicts_alike(setting: Setting, quantize: str, optimizer: str) -> Found:
    """Train, save, load and predict here; then predict with the same adapter on the CPU."""
    dtype = "float32" if setting.small else "float16"
    project.change(project.AR, setting.device, dtype, quantize=quantize, optimizer=optimizer)
    project.stage(*TRAIN[project.AR])
    ours, _ = _predicted(setting.device, dtype)
    try:
        theirs, _ = _predicted("cpu", "float32")
    except Exception as error:  # a refusal, or a library without this on a CPU
        if quantize == "none":
            raise
        return Found(True, f"trains, saves, loads and predicts; not compared with the CPU ({type(error).__name__})")
    away = float((ours - theirs).abs().to_numpy().max())
    return Found(away <= CLOSE[quantize], f"probabilities differ from the CPU's by {away:.1e} at most")


def _predicted(device: str, dtype: str, model: str = project.AR, **infer: Any) -> tuple[pd.DataFrame, str]:
    """Out-of-fold probabilities by the stage, and what it printed.

    Under a cap in a process of its own: this one holds memory of earlier passes, which is taken without asking for any.
    """
    command = ("oof", "sc" if model == project.SC else "ar", model, FOLD)
    project.change(model, device, dtype, infer)
    printed = project.ended(project.process(*command)) if "memory_gb" in infer else project.stage(*command)
    return pd.read_parquet(f"data/predictions/oof/{model}/{FOLD}.parquet").set_index("uid"), printed


def halved(setting: Setting) -> Found:
    """The same table with and without the cap, and the run says that batches were halved."""
    project.change(project.SC, setting.device, "float32")
    project.stage(*TRAIN[project.SC])
    free, _ = _predicted(setting.device, "float32", project.SC, batch_tokens=TOKENS)
    capped, printed = _predicted(setting.device, "float32", project.SC, batch_tokens=TOKENS, memory_gb=CAP)
    said = [line for line in printed.splitlines() if "were halved" in line]
    away = float((free - capped).abs().to_numpy().max())
    words = f"{said[0] if said else 'nothing was halved'}; probabilities differ by {away:.1e} at most"
    return Found(bool(said) and away <= 1e-3, words)


def told(setting: Setting) -> Found:
    """The training leaves with code 2 and says what helps."""
    project.change(project.SC, setting.device, "float32")
    running = project.process(*TRAIN[project.SC], memory=NOTHING)
    printed = running.communicate()[0]
    error = next((line for line in printed.splitlines() if line.startswith("error: ")), "no error message")
    return Found(running.returncode == 2 and "memory" in error, f"code {running.returncode}, {error}")
