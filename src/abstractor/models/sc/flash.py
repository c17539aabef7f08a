"""DeBERTa's attention by fused kernels while a classifier learns: disentangled-flash in place of transformers' code.

The kernels hold no matrix of all tokens against all, add content and relative positions as the plain code does, and
drop attention probabilities by a seed drawn from PyTorch's generator, so that recomputed activations are the same.
Names and weights of a model stay, so what is saved, and what predicts, is the plain model.
"""

from importlib.util import find_spec
from typing import Any

import torch

from abstractor.base.messages import classifiers as messages

_PACKAGE, _LEAST = "disentangled_flash", (8, 0)
"""Compute capability from which Triton multiplies matrices on tensor cores."""


def check(device: torch.device) -> None:
    """Raise `RunError` where the kernels cannot run: another device, an older card, no package."""
    if device.type != "cuda":
        raise messages.flash_needs_a_gpu(f"device: {device.type}")
    capability = torch.cuda.get_device_capability(device)
    if capability < _LEAST:
        raise messages.flash_needs_a_gpu(f"{torch.cuda.get_device_name(device)} of {capability[0]}.{capability[1]}")
    if find_spec(_PACKAGE) is None:
        raise messages.no_flash()


def enable(model: Any, backend: str = "triton") -> None:
    """Have a DeBERTa-v2 or v3 attend by the kernels, in place.

    Args:
        model: of transformers, in float32, with a head or without, before adapters and optimiser.
        backend: triton (CUDA), or torch: the library's own reference, which runs everywhere.

    Raises:
        RunError: the library has no kernels for a model of this shape.
    """
    from disentangled_flash import DebertaV2OptimizedEncoder, KernelTuningOptions, enable_deberta_training

    base, config = model.base_model, model.config
    if not config.relative_attention:  # the plain code divides the scores by another number then
        raise messages.flash_has_no_kernels("no relative positions")
    # The library draws weights before it overwrites them: a new head would begin otherwise than without it.
    with torch.random.fork_rng(devices=[]):
        # Not "auto": measured settings that lie in a user's folder would change the last bits.
        enable_deberta_training(base, backend=backend, tuning=KernelTuningOptions(mode="heuristic"))
    if not isinstance(base.encoder, DebertaV2OptimizedEncoder):  # left as it was
        raise messages.flash_has_no_kernels(f"heads of {config.hidden_size // config.num_attention_heads}")
