"""What ends a training on a machine that is too small for it, or lacks a kernel, in the words of params.yaml."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from abstractor.base.errors import out_of_memory
from abstractor.base.messages import training as messages
from abstractor.machine.compute import ALLOCATOR, GROWING

if TYPE_CHECKING:
    from abstractor.training.loop.settings import Training

_NO_KERNEL = re.compile("([a-z0-9_]+) does not have a deterministic implementation")
_SMALL, _BLOCK = 4096, 256
"""Of 8-bit Adam: tensors with fewer numbers keep their moments in 32 bits, others have a float32 scale a block."""


class Load(NamedTuple):
    """What of a training's settings decides how much memory it takes."""

    eight_bit: bool
    """Whether Adam's moments have 8 bits."""
    averages: bool
    """Whether there is a moving average of the weights."""
    lighter: tuple[str, ...]
    """What would make a step smaller."""
    leaner: tuple[str, ...]
    """What would make smaller what is there beside any step."""

    @classmethod
    def of(cls, settings: "Training") -> "Load":
        """Of a model's training."""
        eight_bit = settings.optimizer == "adamw_8bit"
        lighter = () if settings.gradient_checkpointing else ("set gradient_checkpointing: true",)
        leaner = () if eight_bit else ("set optimizer: adamw_8bit",)
        return cls(eight_bit, settings.ema > 0, ("lower micro_tokens of the model", *lighter), leaner)


@contextmanager
def explained(model: nn.Module, device: torch.device, load: Load) -> Iterator[None]:
    """Say what helps where a training in the block cannot go on.

    Raises:
        RunError: memory ran out, or `train.deterministic` asks for what PyTorch has no kernel for.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise _ran_out(model, device, load) from None
        if lacking := _NO_KERNEL.search(str(error)):
            raise messages.no_deterministic_kernel(lacking[1]) from None
        raise


def held(model: nn.Module, load: Load) -> int:
    """Bytes that a training holds beside any step: weights, gradients, Adam's two moments, averaged weights."""
    total = sum(kept.nbytes for kept in (*model.parameters(), *model.buffers())) + moments(model, load.eight_bit)
    return total + sum(weight.nbytes * (1 + load.averages) for weight in model.parameters() if weight.requires_grad)


def moments(model: nn.Module, eight_bit: bool) -> int:
    """Bytes of Adam's two moments of each weight that is trained, of 4 bytes a number.

    With 8 bits (Dettmers et al. 2022, arXiv 2110.02861) of 1 and a scale for each block, but of embeddings and of small
    tensors 4.
    """
    stated = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    total = 0
    for weight in model.parameters():
        if weight.requires_grad:
            small = eight_bit and weight.numel() >= _SMALL and id(weight) not in stated
            total += 2 * (weight.numel() + 4 * -(-weight.numel() // _BLOCK) if small else 4 * weight.numel())
    return total


def _ran_out(model: nn.Module, device: torch.device, load: Load) -> Exception:
    kept, there = held(model, load), _memory(device)
    leaner = [*load.leaner]
    if all(weight.requires_grad for weight in model.parameters()):
        leaner.append("train a lora")
    if kept >= there:
        return messages.training_never_fits(kept, there, leaner)
    lighter = [*load.lighter]
    if device.type == "cuda" and not any(GROWING in os.environ.get(name, "") for name in ALLOCATOR):
        lighter.append(f"set {ALLOCATOR[0]}={GROWING} in the environment")
    return messages.step_does_not_fit(kept, there, [*lighter, *leaner])


def _memory(device: torch.device) -> int:
    """Bytes of memory that a device has in all."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
