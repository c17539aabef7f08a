"""One step in a process of its own: python -m gpu.child ORDER, started by `running`.

Notes what it has found after every part, so that a step which is killed keeps what it knew by then.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from gpu.steps import ROOT, Found, Part, Parts, Setting, Skipped

SHOWN = (RuntimeError, ImportError, AttributeError, TypeError, AssertionError)
"""Errors whose message is the code's own; a parser's may quote what it read."""

Note = dict[str, Any]
"""`part`, and once it has ended `outcome` (ok, failed, skipped), `found` and `seconds`."""


def tried(check: Callable[[], Found], setting: Setting) -> Note:
    """What a part came to. A refusal that is meant for users is a reason to skip it on a CPU, and a fault on a GPU."""
    try:
        found = check()
        return {"outcome": "ok" if found.holds else "failed", "found": found.words}
    except Skipped as reason:
        return {"outcome": "skipped", "found": str(reason)}
    except Exception as error:
        from abstractor.base.errors import UserError

        refused = setting.small and isinstance(error, UserError)
        return {"outcome": "skipped" if refused else "failed", "found": told(error)}
    finally:
        _free(setting)


def told(error: Exception) -> str:
    """An error in a line: its type, its message if that quotes no case, and where in the project it arose."""
    from abstractor.base.errors import UserError

    message = str(error).strip().partition("\n")[0][:300] if isinstance(error, (*SHOWN, UserError)) else ""
    own = [
        f"{Path(frame.filename).relative_to(ROOT)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(ROOT) and ".venv" not in frame.filename
    ]
    return ", ".join(filter(None, [type(error).__name__, message, f"at {own[-1]}" if own else ""]))


def _free(setting: Setting) -> None:
    """Give back what a part held, of a failed one too."""
    if setting.device == "cuda":
        import gc

        import torch

        gc.collect()
        torch.cuda.empty_cache()


def parts(make: Parts, setting: Setting) -> Iterator[Part]:
    """The parts of a step; getting ready for them may fail as well, and is one then."""
    try:
        yield from make(setting)
    except Exception as error:
        yield "getting ready", partial(_fail, error)


def _fail(error: Exception) -> Found:
    raise error


def main() -> None:
    """Run the parts of the step one after the other."""
    from abstractor.machine import compute

    order = json.loads(sys.argv[1])
    setting = Setting(
        order["device"], Path(order["osha"]) if order["osha"] else None, tuple(map(Path, order["encoders"]))
    )
    module, _, function = order["parts"].partition(":")
    # As a stage does, before anything asks the GPU: its allocator reads the environment once.
    compute.go_offline()
    with Path(order["notes"]).open("w", encoding="utf-8") as notes:

        def note(**content: Any) -> None:
            notes.write(json.dumps(content) + "\n")
            notes.flush()

        for what, check in parts(getattr(import_module(module), function), setting):
            note(part=what)
            start = time.monotonic()
            note(part=what, **tried(check, setting), seconds=round(time.monotonic() - start, 1))


if __name__ == "__main__":
    main()
