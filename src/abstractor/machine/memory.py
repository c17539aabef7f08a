"""Trying what may not fit in memory."""

from collections.abc import Callable
from typing import TypeVar

import torch

from abstractor.base.errors import out_of_memory

Result = TypeVar("Result")


def within_memory(run: Callable[[], Result]) -> Result | None:
    """What `run` gives, or None where memory ran out.

    A function of its own: the exception, which holds the tensors of the failed pass, is gone when it returns.
    """
    try:
        return run()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
