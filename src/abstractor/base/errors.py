"""The error that a user can cause, and what a fault of the machine means.

Computing rooms raise the subclasses of `messages`, plumbing and tools those of their own modules.
"""

from __future__ import annotations  # so that an older Python comes far enough to be refused in words

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_PLACE = "_place_in_the_input"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LOCKED = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_MEMORY = re.compile(
    r"DefaultCPUAllocator|CUDA( driver)?( error:)? out of memory|_STATUS_ALLOC_FAILED"
    r"|CUDNN_STATUS_(NOT_SUPPORTED\b|INTERNAL_ERROR_(HOST|DEVICE)_ALLOCATION_FAILED)"
)
_TORCH_WRITER = ("inline_container", "PytorchStreamWriter", "iostream error")
"""What `torch.save` says of a write that failed; the reason is not in it."""


class UserError(Exception):
    """Says what was expected, what was found and what to do; never quotes a narrative."""


class RunError(UserError):
    """The machine cannot do what params.yaml asks for, or training failed for good."""


@contextmanager
def located(place: str) -> Iterator[None]:
    """Note of an unexpected error where in its input the block was; the innermost place counts.

    Args:
        place: numbers of rows and names of files, never a uid or a text.
    """
    try:
        yield
    except Exception as error:
        if place_of(error) is None:
            setattr(error, _PLACE, place)
        raise


def place_of(error: BaseException | None) -> str | None:
    """What `located` noted of an error."""
    return getattr(error, _PLACE, None)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the machine's.

    PyTorch has an exception for it, but not where its CPU allocator, a driver's call or a library of NVIDIA's finds
    none left; cuDNN also says that it supports no way of computing that would fit.
    """
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None)


def machine_fault(error: BaseException | None) -> str | None:
    """What to do about a full disk, a folder that takes no files or a lack of memory; None for another cause.

    Libraries in other languages pass on the system's words at best: they are looked for and never printed.
    """
    while error is not None:
        if out_of_memory(error):
            return (
                "memory ran out; lower infer.batch_tokens (prediction) or a writer's batch_size in params.yaml, or "
                "take a smaller backbone or a larger machine, and run the same command again"
            )
        if any(_is(error, number) for number in _FULL) or any(words in str(error) for words in _TORCH_WRITER):
            return f"{_place(error)} could not be written: the disk is full; make room and run the same command again"
        if isinstance(error, FileNotFoundError) and _place(error).endswith(".partial"):
            return (
                f"{_place(error)} could not be made: its folder, or what a link to that leads to, takes no files; "
                "take another folder, and run the same command again"
            )
        for number in _LOCKED:
            if _is(error, number):
                return (
                    f"{_place(error)} could not be opened or written ({os.strerror(number)}); give this account the "
                    "right to it, or take another folder, and run the same command again"
                )
        error = error.__cause__ or error.__context__
    return None


def _is(error: BaseException, number: int) -> bool:
    return getattr(error, "errno", None) == number or os.strerror(number) in str(error)


def _place(error: BaseException) -> str:
    """The path that the system names, the target of two; it is one of ours, never case text."""
    path = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return str(path) if path else f"a file below {os.getcwd()}"
