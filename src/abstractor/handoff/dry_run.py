"""What a pass through a model takes, counted by running it with tensors that hold no numbers.

PyTorch's fake tensors have shape, dtype and storage size but no memory, so the code of a training runs on them as it
is: autograd keeps what it keeps, checkpointing recomputes, autocast holds its copies. Every storage is counted while it
lives, every operator by the FLOPs and the bytes that its kernel needs. No GPU is asked for.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count
from torch.utils.weak import WeakIdKeyDictionary

_BLOCK = 512
"""Bytes that CUDA's allocator rounds a tensor up to."""


class DryRun(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is computed `here()`."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        """Bytes now, and the most there were at once."""
        self.kernels: Counter[tuple[int, int]] = Counter()
        """(FLOPs, bytes read and written) of a kernel -> how many there were."""
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self._known: Any = WeakIdKeyDictionary()

    @contextmanager
    def here(self) -> Iterator[None]:
        """Operators are counted, and keep for the backward pass what CUDA's do."""
        with self, _as_on_cuda():
            yield

    def adopt(self, module: nn.Module) -> None:
        """Take in a model that was built on the meta device.

        Its weights become fake and count, it makes fake tensors alone, and takes real ones, such as ids, for fake.
        """
        ours: dict[int, Tensor] = {}
        with self, self.fake:
            for part in module.modules():
                stores: list[dict[str, Any]] = [part._parameters, part._buffers]
                for held in stores:
                    for name, tensor in held.items():
                        if tensor is not None and id(tensor) not in ours:
                            ours[id(tensor)] = _empty(tensor)
                        held[name] = tensor if tensor is None else ours[id(tensor)]
        forward = module.forward

        def run(*args: Any, **kwargs: Any) -> Any:
            with self.fake:
                return forward(*args, **kwargs)

        module.forward = run

    def seconds(self, rate: float, bandwidth: float, launch: float) -> float:
        """Roofline (doi 10.1145/1498765.1498785): kernels run one by one, each as long as its slowest part.

        Args:
            rate: FLOP/s.
            bandwidth: bytes/s.
            launch: seconds that no kernel goes below.
        """
        return sum(
            count * max(flops / rate, moved / bandwidth, launch) for (flops, moved), count in self.kernels.items()
        )

    @property
    def flops(self) -> int:
        """Of all kernels."""
        return sum(count * flops for (flops, _), count in self.kernels.items())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator and count it."""
        if func is torch.ops.prim.device.default:  # fake tensors ask twice as often as they compute
            return func(*args)
        result = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        for tensor in made:
            self._hold(tensor.untyped_storage())
        if made and not func.is_view:
            given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            count = _FLOPS.get(func.overloadpacket) or flop_registry.get(func.overloadpacket)
            flops = int(count(*args, **(kwargs or {}), out_val=result)) if count else 0
            self.kernels[flops, sum(map(_bytes, given)) + sum(map(_bytes, made))] += 1
        return result

    def _hold(self, storage: Any) -> None:
        if storage in self._known:
            return
        size = -(-storage.nbytes() // _BLOCK) * _BLOCK
        self.live += size
        self.peak = max(self.peak, self.live)
        self._known[storage] = weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self.live -= size


def _empty(tensor: Tensor) -> Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype)
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def _bytes(tensor: Tensor) -> int:
    """What a kernel reads or writes of it: of an expanded tensor only what there is."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _attention_backward(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    shapes = (gradient.shape, query.shape, key.shape, value.shape)
    return int(sdpa_backward_flop_count(*shapes))  # type: ignore[no-untyped-call]


_FLOPS: dict[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""What stands for CUDA's fused attention here, and keeps what that keeps."""


@contextmanager
def _as_on_cuda() -> Iterator[None]:
    """Where CUDA's rules keep more, or less, than a CPU's.

    Its autocast computes norms and softmax in float32, its dropout keeps a mask of one byte, and the keys of a shared
    prefix are copied beside those of each question.
    """
    from abstractor.models.ar import grouped_attention

    functional = torch.nn.functional
    kept: dict[str, Any] = {
        name: _in_float32(getattr(functional, name)) for name in ("layer_norm", "softmax", "log_softmax")
    }
    keys = patch.object(grouped_attention.Merged, "apply", grouped_attention.joined)
    with patch.multiple(functional, **kept | {"dropout": _dropout}), keys:
        yield


def _in_float32(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(function)
    def run(states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(states.float() if torch.is_autocast_enabled("cpu") else states, *args, **kwargs)

    return run


def _dropout(states: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return torch.native_dropout(states, p, True)[0] if training and p > 0 else states
