"""The machine."""

from abstractor.base.errors import RunError


def no_cuda() -> RunError:
    return RunError("params.yaml: device: cuda, but PyTorch finds no CUDA device; set it to cpu or auto")


def no_float16_on_a_cpu() -> RunError:
    return RunError("params.yaml: dtype: float16 has no fast arithmetic on a CPU; set it to float32 or auto")


def bfloat16_is_emulated(device: str) -> RunError:
    return RunError(f"params.yaml: dtype: bfloat16, which {device} only emulates; set it to float16 or auto")
