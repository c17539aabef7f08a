"""Where a run computes: device and dtype with their reasons, threads, memory."""

import os
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from abstractor.base.messages import machine as messages
from abstractor.base.params import Strict

if TYPE_CHECKING:
    import torch


ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""Variables that PyTorch's GPU allocator reads when it is first used; the first one counts, the second is its old name
(c10/core/AllocatorConfig.h)."""
GROWING = "expandable_segments:True"
"""What has it enlarge pieces of memory in place."""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Options of glibc's mallopt (malloc.h)."""
_DRIVER, _DEVICES = Path("/proc/driver/nvidia/version"), Path("/dev")
"""What NVIDIA's driver, once loaded, says of itself, and where a process sees the GPUs that it is given."""


class Machine(Strict):
    """Where and how to compute (params sections `train` and `infer`)."""

    device: Literal["auto", "cpu", "cuda"]
    """auto (the first CUDA device, else the CPU), cpu or cuda. The first is that of CUDA_VISIBLE_DEVICES in the
    environment."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    """Of the arithmetic: float32, bfloat16, float16 or auto (bfloat16 where the hardware has it, else float32 on a CPU,
    float16 on a GPU). Weights that are trained stay in float32."""
    threads: Annotated[int, Field(ge=1, le=256)]
    """CPU threads, 1 to 256, at most as many as there are cores and as OMP_NUM_THREADS allows, which is said. Another
    number of threads may change the last bits of a result."""


class Learning(Machine):
    """Where and how to train (params section `train`)."""

    deterministic: bool = False
    """Of training on a GPU. true: kernels alone that add up in a fixed order, so that a run repeats to the last bit;
    DeBERTa's backward pass then sorts, by estimate 50 to 190 % more time a step and 5 to 8 GB more. false: the last
    bits differ from run to run. A CPU repeats itself either way."""


class Inference(Machine):
    """How to predict (params section `infer`), out-of-fold and new cases alike."""

    batch_tokens: Annotated[int, Field(ge=16)]
    """Token budget of one forward pass, 16 and up. Each pass is filled up to it, so that a case gets the same codes in
    any file: more suits a GPU with many cases, less a few cases. What does not fit in memory is halved and tried
    again."""
    chunk_cases: Annotated[int, Field(ge=1)]
    """Cases read, scored and written together, 1 and up; of more of them fewer batches are filled up, and they take
    more memory."""
    memory_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    """GPU memory that the process may take, in 10^9 bytes, above 0; null: all. To try a smaller GPU on a larger one."""


@dataclass(frozen=True)
class Compute:
    """The device and dtype that were chosen, and why."""

    device: "torch.device"
    dtype: "torch.dtype"
    reason: str


def prepare_machine(machine: Machine) -> Compute:
    """Choose device and dtype, fix the threads and the order of sums.

    Raises:
        RunError: CUDA is asked for and absent, or the device does not have the dtype.
    """
    go_offline()
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning)
    torch.set_num_threads(_threads(machine)[0])
    compute = choose(machine)
    _fix_order_of_sums(machine, compute)
    if compute.device.type == "cpu":
        _keep_freed_memory()
    print(f"computing on {compute.reason}")
    if compute.device.type == "cuda" and (visible := torch.cuda.device_count()) > 1:
        print(f"one of {visible} GPUs is used, the first; CUDA_VISIBLE_DEVICES=1 before the command takes the second")
    if isinstance(machine, Inference) and machine.memory_gb is not None:
        _cap_memory(compute, machine.memory_gb)
    return compute


def _fix_order_of_sums(machine: Machine, compute: Compute) -> None:
    """Have PyTorch repeat to the last bit, where that is promised.

    Where a GPU trains it is promised on demand, and what has no such kernel is then refused: with a warning alone
    (`warn_only`), attention's backward pass would go on in any order. A forward pass has such kernels at no price.
    """
    import torch

    if compute.device.type == "cuda" and isinstance(machine, Learning):
        torch.use_deterministic_algorithms(machine.deterministic)
    else:
        torch.use_deterministic_algorithms(True, warn_only=True)
    # A debugging aid that costs 5 % of a training step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _keep_freed_memory() -> None:
    """Have the C library keep what tensors leave for the next ones.

    By default it gives large pieces back to the kernel, which maps and clears them anew for every layer: about a
    tenth of the time, of scoring with a language model as of training a classifier.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library than glibc
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**26)):
        mallopt(option, value)


def _cap_memory(compute: Compute, gigabytes: float) -> None:
    """What goes beyond raises an out-of-memory error, as on a smaller GPU; CPU memory has no such limit."""
    import torch

    if compute.device.type != "cuda":
        print("memory_gb has no effect on a CPU")
        return
    whole = torch.cuda.get_device_properties(compute.device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(gigabytes * 1e9 / whole, 1.0), compute.device)
    print(f"at most {gigabytes:g} of {whole / 1e9:.1f} GB of GPU memory")


def go_offline() -> None:
    """Keep every library off the network and its caches in the project; to be called before they are imported."""
    cache = Path("data/.cache").resolve()
    for name in (
        "HF_HUB_OFFLINE",
        "HF_DATASETS_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HF_HUB_DISABLE_TELEMETRY",
        "DO_NOT_TRACK",
    ):
        os.environ[name] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HOME", str(cache))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if not any(name in os.environ for name in ALLOCATOR):
        os.environ[ALLOCATOR[0]] = GROWING  # batches differ in length: else gaps remain that no later batch fits in


def choose(machine: Machine) -> Compute:
    """The device and dtype for `machine`; raises `RunError` for what is not there."""
    import torch

    found = torch.cuda.is_available()
    unused = None if found or machine.device == "cpu" else _unused_gpu()
    if machine.device == "cuda" and not found:
        raise messages.no_cuda(unused)
    if unused:
        print(f"warning: the GPU stays unused: {unused}", file=sys.stderr)
    if machine.device == "cpu" or not found:
        if machine.dtype == "float16":
            raise messages.no_float16_on_a_cpu()
        where = "asked for" if machine.device == "cpu" else "no CUDA device found"
        dtype, why = _cpu_dtype() if machine.dtype == "auto" else (getattr(torch, machine.dtype), "asked for")
        return Compute(torch.device("cpu"), dtype, f"cpu ({where}), {dtype} ({why}), {_threads(machine)[1]}")
    name, native = torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0) >= (8, 0)
    if machine.dtype == "auto":
        dtype = torch.bfloat16 if native else torch.float16
        why = "the device has it" if native else "the device has no bfloat16"
    else:
        dtype, why = getattr(torch, machine.dtype), "asked for"
        if dtype == torch.bfloat16 and not native:
            raise messages.bfloat16_is_emulated(name)
    return Compute(torch.device("cuda", 0), dtype, f"{name}, {dtype} ({why})")


def _unused_gpu() -> str | None:
    """Why PyTorch finds no device where NVIDIA's driver runs; None: there is none, or the user hides its GPUs.

    PyTorch says no more than that CUDA is not available, and a run on the CPU would only be slow.
    """
    import torch

    if not _DRIVER.is_file() or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    version = re.search(r"\b\d{3,}(\.\d+)+", _DRIVER.read_text(encoding="utf-8", errors="replace"))
    given = any(_DEVICES.glob("nvidia[0-9]*"))
    return messages.gpu_stays_unused(version[0] if version else "(unknown)", torch.version.cuda, given)


def _cpu_dtype() -> tuple["torch.dtype", str]:
    import torch

    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
        return torch.bfloat16, "the processor multiplies it natively, two to three times as fast as float32"
    return torch.float32, "the processor has no bfloat16"


def _threads(machine: Machine) -> tuple[int, str]:
    """How many CPU threads to compute with, and that in words.

    More than there are cores wait for each other; a batch system says by OMP_NUM_THREADS what is its share.
    """
    cores = len(os.sched_getaffinity(0))
    allowed = re.match("[1-9][0-9]*", os.environ.get("OMP_NUM_THREADS", ""))
    limits = {"the parameter": machine.threads, "cores": cores} | (
        {"OMP_NUM_THREADS": int(allowed[0])} if allowed else {}
    )
    limit = min(limits, key=lambda name: limits[name])
    count = limits[limit]
    lowered = "" if count == machine.threads else f" ({limit}; params.yaml: {machine.threads})"
    return count, f"{count} threads{lowered}"


def autocast(compute: Compute, keep_copies: bool = True) -> "torch.autocast":
    """Mixed precision where the arithmetic is not float32; the weights keep the dtype they have.

    Args:
        compute: device and dtype.
        keep_copies: of weights that are trained, in the lower precision, from their first use to the end of the block;
            else each use makes its own.
    """
    import torch

    lower = compute.dtype != torch.float32
    return torch.autocast(compute.device.type, compute.dtype, enabled=lower, cache_enabled=keep_copies)


def to_device(batch: dict[str, Any], compute: Compute) -> dict[str, Any]:
    """A batch with its tensors on the device."""
    import torch

    return {key: value.to(compute.device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
