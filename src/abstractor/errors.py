"""The error that a user can cause, and the handler at the top of every script.

Each module that raises defines its own subclass of `UserError`. They are not listed here: every stage depends on this
file, and a new kind of error in one room must not rerun the others.
"""

import os
import sys
import traceback
from collections.abc import Callable


class UserError(Exception):
    """Says what was expected, what was found and what to do; never quotes a narrative."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`; leave with 0, with 2 on a `UserError`, with 1 on anything else.

    An unexpected exception may carry case text in its message (a parser quotes what it
    choked on), so only its type and the places it came through are printed.
    Every file the script writes is readable by its owner only.
    """
    os.umask(0o077)
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        print(f"internal error: {type(error).__name__} (message withheld: it may hold case text)", file=sys.stderr)
        for frame in traceback.extract_tb(error.__traceback__):
            print(f"  {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)
        sys.exit(1)
