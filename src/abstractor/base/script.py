"""Runs every script: its exit code, and what it may print when something goes wrong."""

from __future__ import annotations  # so that an older Python comes far enough to be refused in words

import os
import resource
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from abstractor.base import environment
from abstractor.base.errors import UserError, machine_fault, place_of

PRIVATE = (".dvc", "data", "models")
"""Folders of the project that only their owner may enter: DVC gives what it puts there modes of its own."""
SHOW = "ABSTRACTOR_SHOW_ERRORS"
"""Set to 1, it has unexpected errors shown whole, on a terminal alone: a log would keep the case text in them."""


def run_script(main: Callable[[], None], private: Iterable[str] = PRIVATE) -> None:
    """Run a script's `main`; leave with 0, with 2 on a `UserError` or a fault of the machine, with 1 on anything else.

    An unexpected exception may carry case text in its message (a parser quotes what it choked on), so only its type
    and the places it came through are printed, wherever it is raised; of a warning, its category and place.
    Every file the script writes is readable by its owner only, and a crash leaves no image of the memory.

    Args:
        main: of the script.
        private: folders that are closed to others first.
    """
    os.umask(0o077)
    # Before OpenMP is loaded: threads that wait by spinning keep a core from the job that they wait for.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _close_to_others(private)
    _withhold_messages()
    try:
        environment.check()
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command starts again", file=sys.stderr)
        sys.exit(128 + 2)  # as a shell has it for SIGINT
    except Exception as error:
        missing = environment.missing_package(error) if isinstance(error, ModuleNotFoundError) else None
        if fault := missing or machine_fault(error):
            print(f"error: {fault}", file=sys.stderr)
            sys.exit(2)
        _print_route(type(error), error, error.__traceback__)
        sys.exit(1)


def _close_to_others(folders: Iterable[str]) -> None:
    for path in map(Path, folders):
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
    sys.excepthook = _print_route
    threading.excepthook = lambda lost: _print_route(lost.exc_type, lost.exc_value, lost.exc_traceback)
    sys.unraisablehook = lambda lost: _print_route(lost.exc_type, lost.exc_value, lost.exc_traceback)
    warnings.showwarning = _print_warning


def _print_route(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    print(f"internal error: {kind.__name__} (message withheld: it may hold case text)", file=sys.stderr)
    places = [(f"{frame.filename}:{frame.lineno}", frame.name) for frame in traceback.extract_tb(trace)]
    for place, name in places:
        print(f"  {place} in {name}", file=sys.stderr)
    if places:
        own = [place for place, _ in places if _is_ours(place)]
        print(f"raised at {places[-1][0]}" + (f", in the project at {own[-1]}" if own else ""), file=sys.stderr)
    if noted := place_of(error):
        print(f"while at {noted}", file=sys.stderr)
    if os.environ.get(SHOW) != "1":
        print(f"{SHOW}=1 before the same command shows the message, on a terminal alone", file=sys.stderr)
    elif sys.stderr.isatty():
        print("".join(traceback.format_exception(kind, error, trace)), file=sys.stderr)
    else:
        print(f"{SHOW}=1 shows nothing here, since this is no terminal but would be kept", file=sys.stderr)


def _is_ours(place: str) -> bool:
    path = Path(place)
    return path.is_relative_to(environment.PROJECT) and not path.is_relative_to(environment.PROJECT / ".venv")


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {category.__name__} at {filename}:{lineno} (message withheld)", file=sys.stderr)
