"""The machine."""

from abstractor.base.errors import RunError


def no_cuda(unused: str | None) -> RunError:
    what_to_do = unused or "set it to cpu or auto"
    return RunError(f"params.yaml: device: cuda, but PyTorch finds no CUDA device; {what_to_do}")


def gpu_stays_unused(driver: str, build: str | None, given: bool) -> str:
    """Why PyTorch cannot use the GPU of a machine, and what to do.

    Args:
        driver: version of NVIDIA's driver.
        build: the CUDA version that PyTorch was built for; None: for CPUs alone.
        given: whether the process sees a GPU's device file.
    """
    here = f"this machine has NVIDIA's driver {driver}"
    if build is None:
        return f"{here}, and PyTorch is a build for CPUs: install requirements/gpu.txt with a CUDA build of torch"
    if not given:
        return f"{here}, but no GPU is given to this process: start the container or the job with one"
    return (
        f"{here}, which is too old for PyTorch's CUDA {build} or does not run (CUDA 13 needs driver 580 or newer, "
        f"CUDA 12 one from 525): update it, or install a build of torch for an older CUDA; `nvidia-smi` says what runs"
    )


def no_float16_on_a_cpu() -> RunError:
    return RunError("params.yaml: dtype: float16 has no fast arithmetic on a CPU; set it to float32 or auto")


def bfloat16_is_emulated(device: str) -> RunError:
    return RunError(f"params.yaml: dtype: bfloat16, which {device} only emulates; set it to float16 or auto")
