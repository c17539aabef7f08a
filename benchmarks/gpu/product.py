"""What the steps take of the product: its parameters, its machine, its models in random weights of published shapes."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import recipe
import torch
from torch import Tensor

from abstractor.base.params import PARAMS, PIPELINE, Params
from abstractor.base.yaml_file import read_yaml
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, Learning, prepare_machine
from gpu.steps import ROOT, Setting

BOOK = ROOT / "data/codebooks/nvdrs_youth.yaml"
CONTEXT = 0.6e9
"""Bytes of a GPU that PyTorch's allocator does not see."""
SMALL = {
    "vocab_size": 500,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "conv_kernel_size": 3,
}
"""Sizes on a CPU."""


def book() -> Codebook:
    """The codebook of the challenge: 21 binary and 2 categorical variables."""
    return codebook.load(BOOK)


def parameters(name: str, key: str, kind: Any) -> Any:
    """A value of params.yaml with a recipe in it; name: demo for params.yaml itself."""
    copy = Path(f"params-{name}.yaml")
    if not copy.exists():
        copy.write_bytes((ROOT / PARAMS).read_bytes())
        if name != "demo":
            recipe.apply(name, copy)
    return Params(copy, ROOT / PIPELINE).get(key, kind)


def prepared(setting: Setting, dtype: str, deterministic: bool = False) -> Compute:
    """The machine as a training stage prepares it. On a CPU, which has no float16, float32."""
    machine = parameters("demo", "train", Learning)
    asked = "float32" if setting.small else dtype
    changes = {"device": setting.device, "dtype": asked, "deterministic": deterministic}
    compute = prepare_machine(machine.model_copy(update=changes))
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    return compute


def cap(setting: Setting, gigabytes: float) -> None:
    """Leave the process what a GPU of so many 10^9 bytes leaves it, context apart; a CPU has no such limit."""
    if setting.device == "cuda":
        whole = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min((gigabytes * 1e9 - CONTEXT) / whole, 1.0))


def config(setting: Setting, name: str, **changes: Any) -> Any:
    """Of transformers, in the published sizes of recipes/shapes.yaml; on a CPU in small ones."""
    from transformers import AutoConfig

    sizes = dict(read_yaml(ROOT / "recipes/shapes.yaml")[name])
    kind = sizes.pop("model_type")
    if setting.small:
        sizes |= {key: value for key, value in SMALL.items() if key in sizes}
        changes |= {"num_hidden_layers": 2}
    # Queries and keys of unit variance at any width: with less, attention is uniform, and what it sees hardly matters.
    changes |= {"initializer_range": (sizes | changes)["hidden_size"] ** -0.5}
    return AutoConfig.for_model(kind, **(sizes | changes))


def random(kind: Any, settings: Any, seed: int = 0, **options: Any) -> Any:
    """A model in random weights, made where the default device is; `kind`: AutoModel or AutoModelForCausalLM."""
    torch.manual_seed(seed)
    return kind.from_config(settings, **options)


def tokens(vocabulary: int, count: int, seed: int = 0) -> list[int]:
    """Random ids above those that are special."""
    generator = torch.Generator().manual_seed(seed)
    return [int(token) for token in torch.randint(8, vocabulary, (count,), generator=generator)]


def finished(setting: Setting) -> float:
    """The time at which the device's queue is empty."""
    if setting.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(setting: Setting, run: Callable[[], object], repetitions: int) -> float:
    """Median time of a run, after one that is not counted."""
    took = []
    for _ in range(repetitions + 1):
        start = finished(setting)
        run()
        took.append(finished(setting) - start)
    return statistics.median(took[1:])


def peak(setting: Setting) -> str:
    """The most memory since `torch.cuda.reset_peak_memory_stats`, tensors and what the allocator held for them."""
    if setting.small:
        return "memory not measured"
    held, reserved = torch.cuda.max_memory_allocated() / 1e9, torch.cuda.max_memory_reserved() / 1e9
    return f"peak {held:.1f} GB of tensors, {reserved:.1f} GB held"


def error(found: Mapping[str, Tensor], exact: Mapping[str, Tensor]) -> float:
    """Distance of tensors from exact ones, relative to the norm of all; not a number stays one."""
    away = sum(float((found[name].double() - exact[name].double()).square().sum()) for name in exact)
    return float((away / sum(float(exact[name].double().square().sum()) for name in exact)) ** 0.5)
