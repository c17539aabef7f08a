"""The error that a user can cause, and the handler at the top of every script.

Each module that raises defines its own subclass of `UserError`. They are not listed here: every stage depends on this
file, and a new kind of error in one room must not rerun the others.
"""

import errno
import os
import resource
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

PRIVATE = (".dvc", "data", "models")
"""Folders of the project that only their owner may enter: DVC gives what it puts there modes of its own."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LOCKED = (errno.EROFS, errno.EACCES, errno.EPERM)
_TORCH_WRITER = ("inline_container", "PytorchStreamWriter", "iostream error")
"""What `torch.save` says of a write that failed; the reason is not in it."""


class UserError(Exception):
    """Says what was expected, what was found and what to do; never quotes a narrative."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`; leave with 0, with 2 on a `UserError` or a fault of the machine, with 1 on anything else.

    An unexpected exception may carry case text in its message (a parser quotes what it choked on), so only its type
    and the places it came through are printed, wherever it is raised; of a warning, its category and place.
    Every file the script writes is readable by its owner only, and a crash leaves no image of the memory.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _close_to_others()
    _withhold_messages()
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command starts again", file=sys.stderr)
        sys.exit(128 + 2)  # as a shell has it for SIGINT
    except Exception as error:
        if fault := machine_fault(error):
            print(f"error: {fault}", file=sys.stderr)
            sys.exit(2)
        _print_route(type(error), error.__traceback__)
        sys.exit(1)


def _close_to_others() -> None:
    for path in map(Path, PRIVATE):
        if path.is_dir() and (mode := path.stat().st_mode) & 0o077:
            try:
                path.chmod(mode & 0o700)
            except OSError as error:
                print(
                    f"warning: others may enter {path}/, and this account cannot change that ({type(error).__name__}); "
                    f"have its owner run `chmod 700 {path}`",
                    file=sys.stderr,
                )


def _withhold_messages() -> None:
    """For what `run_script` does not catch: an error in its own handlers, in a thread, in a destructor, at exit."""
    sys.excepthook = lambda kind, _, trace: _print_route(kind, trace)
    threading.excepthook = lambda lost: _print_route(lost.exc_type, lost.exc_traceback)
    sys.unraisablehook = lambda lost: _print_route(lost.exc_type, lost.exc_traceback)
    warnings.showwarning = _print_warning


def _print_route(kind: type[BaseException], trace: TracebackType | None) -> None:
    print(f"internal error: {kind.__name__} (message withheld: it may hold case text)", file=sys.stderr)
    for frame in traceback.extract_tb(trace):
        print(f"  {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {category.__name__} at {filename}:{lineno} (message withheld)", file=sys.stderr)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the machine's; PyTorch's CPU allocator has no exception of its own."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


def machine_fault(error: BaseException | None) -> str | None:
    """What to do about a full disk, a locked folder or a lack of memory; None for an exception of another cause.

    Libraries in other languages pass on the system's words at best: they are looked for and never printed.
    """
    while error is not None:
        if out_of_memory(error):
            return (
                "memory ran out; lower micro_tokens of the model (training) or infer.batch_tokens (prediction) in "
                "params.yaml, or take a larger machine, and run the same command again"
            )
        if any(_is(error, number) for number in _FULL) or any(words in str(error) for words in _TORCH_WRITER):
            return f"{_place(error)} could not be written: the disk is full; make room and run the same command again"
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
