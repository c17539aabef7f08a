"""The steps of the GPU check in their order, and what a step is made of.

The standard library alone: this is read before the packages that a machine lacks are unpacked.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
"""The project's folder."""


class Skipped(Exception):
    """A part cannot be checked here; says why."""


class Setting(NamedTuple):
    """Where a step runs."""

    device: str
    """cuda, or cpu: small shapes, to see that the check itself works."""
    osha: Path | None
    """Folder of the public OSHA corpus."""
    encoders: tuple[Path, ...]
    """Folders of pretrained encoders, named as `backbones` of params.yaml names them."""

    @property
    def small(self) -> bool:
        """Whether sizes are cut to what a CPU computes in seconds."""
        return self.device == "cpu"


class Found(NamedTuple):
    """What a part showed."""

    holds: bool
    words: str
    """The numbers, for a reader."""


Part = tuple[str, Callable[[], Found]]
"""What is checked, and the check; it may raise `Skipped`. A part that fails does not stop the next one."""
Parts = Callable[[Setting], Iterator[Part]]
"""What a module of this package has for a step."""


class Step(NamedTuple):
    """One step, a process of its own."""

    claim: str
    """What holds if it ends well."""
    limit: int
    """Seconds until it is killed."""
    parts: str
    """module:function, a `Parts`."""


STEPS = {
    "deberta": Step(
        "DeBERTa-v2-xlarge trains in 24 GB with AdamW, xxlarge with 8-bit AdamW; what determinism costs",
        420,
        "gpu.classifiers:deberta",
    ),
    "grouped": Step(
        "packed questions have the logits and gradients of single prompts at the shape of Llama-3.2-3B, in float16 and "
        "bfloat16, with a T4's kernels too, with ragged prefixes and odd lengths",
        120,
        "gpu.packing:llama",
    ),
    "resume": Step(
        "with `train.deterministic: true` a training ends with the same files twice, and after a kill, in float16 and "
        "bfloat16",
        240,
        "gpu.stages:resume",
    ),
    "quantised": Step(
        "nf4, int8 and 8-bit AdamW train, save, load and predict, and a GPU predicts what a CPU does",
        180,
        "gpu.stages:quantised",
    ),
    "memory": Step(
        "a batch that does not fit in `infer.memory_gb` is halved to the same predictions; a training that does not "
        "fit says what helps",
        120,
        "gpu.stages:memory",
    ),
    "gemma": Step(
        "Gemma-2's shape is finite in float16 with eager attention, and packed questions have the logits of single "
        "prompts",
        90,
        "gpu.packing:gemma",
    ),
    "ways": Step(
        "packed rows beat plain transformers and unsloth, one prompt a question, in scoring and training; float16 "
        "under 15 GB; the share of a matrix product's FLOP/s",
        300,
        "gpu.ways:compare",
    ),
    "flash": Step(
        "the fused attention of DeBERTa has the logits and gradients of the eager one within rounding and is faster",
        240,
        "gpu.classifiers:flash",
    ),
    "osha": Step(
        "encoders learn the public OSHA corpus better than the baseline does: F1 and minutes",
        540,
        "gpu.corpus:osha",
    ),
}
"""By name, the dearest knowledge first."""
