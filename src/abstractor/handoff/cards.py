"""The GPUs that a plan can be made for, by what their makers print: NVIDIA's data sheets, dense tensor-core rates."""

from dataclasses import dataclass

REACHED = 0.7
"""Share of the printed rate that a large matrix product reaches, and .8 of the bandwidth a large copy: a plan's round
numbers, to be measured by the GPU check."""
STREAMED = 0.8
"""See `REACHED`."""
LAUNCH = 5e-6
"""Seconds that no kernel of eager PyTorch goes below."""
USABLE = 0.94
"""Share of the memory that tensors can have: the allocator's fragments and what the driver keeps take the rest."""


@dataclass(frozen=True)
class Card:
    """One GPU."""

    title: str
    memory: float
    """Bytes, as the driver reports them."""
    rate: float
    """Multiply-adds in half precision with sums in float32, as FLOP/s."""
    bandwidth: float
    """Of its memory, bytes/s."""
    dtype: str = "bfloat16"
    """What it trains in: bfloat16 from compute capability 8.0 on."""

    @property
    def usable(self) -> float:
        """Bytes for tensors and the CUDA context."""
        return self.memory * USABLE


def _mib(count: int) -> float:
    return count * 2.0**20


CARDS = {
    "T4": Card("T4 16 GB", _mib(15360), 65e12, 320e9, "float16"),
    "4090": Card("RTX 4090 24 GB", _mib(24564), 165.2e12, 1008e9),
    "A10": Card("A10 24 GB", _mib(23028), 125e12, 600e9),
    "L4": Card("L4 24 GB", _mib(23034), 121e12, 300e9),
    "A100-40": Card("A100 40 GB PCIe", _mib(40960), 312e12, 1555e9),
    "A100-80": Card("A100 80 GB PCIe", _mib(81920), 312e12, 1935e9),
    "H100": Card("H100 80 GB SXM", _mib(81559), 989e12, 3350e9),
}
