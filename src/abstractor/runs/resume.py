"""A run that was stopped goes on where it was: a folder that outlives it, found again by what the run depends on."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from abstractor.base.files import discard, sha256
from abstractor.runs.card import versions

PLUMBING = ("abstractor.base", "abstractor.runs")
"""Rooms that no number depends on: an edit there reruns no stage (tools/deps.py) and loses no checkpoint."""
SCRATCH = Path(".scratch/runs")
"""Outside of what stages make, which DVC deletes when a stage starts."""
_ALSO = ("bitsandbytes", "iterative-stratification", "scikit-learn", "tokenizers", "unsloth")
"""Packages beside those of a run card."""


@contextmanager
def kept(purpose: str, *depends: Any) -> Iterator[Path]:
    """A folder for what a run has finished so far.

    The next run with the same purpose and the same inputs finds it; one with other inputs removes it. It goes when the
    block ends well.

    Args:
        purpose: what the run makes, as a relative path: `train/sc1_minilm/0`.
        depends: what its result depends on: files and folders as `Path`, by content; anything else by its `repr`.
            The script, the project's loaded modules less plumbing and the versions of packages are added.

    Yields:
        The folder, readable by its owner only.
    """
    place = SCRATCH / purpose
    folder = place / key(*depends)
    for other in place.iterdir() if place.is_dir() else ():
        if other != folder:
            discard(other)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield folder
    discard(folder)


def key(*depends: Any) -> str:
    """Sixteen hexadecimal digits that change with any of `depends`, the code and the packages; see `kept`."""
    digest = hashlib.sha256()
    loaded = sorted(name for name in sys.modules if name.startswith(("abstractor.", "__main__")))
    modules = [sys.modules[name] for name in loaded if not name.startswith(PLUMBING)]
    code = [Path(file) for module in modules if (file := getattr(module, "__file__", None))]
    for item in (*depends, *code, packages()):
        digest.update(f"{_content(item)!r}\0".encode())
    return digest.hexdigest()[:16]


def packages() -> dict[str, str | None]:
    """The versions of all that shapes rows, batches, steps or weights; None for an optional package that is missing."""
    found: dict[str, str | None] = dict.fromkeys(_ALSO)
    for name in _ALSO:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | versions()


def _content(item: Any) -> Any:
    """Of a file or folder the names and hashes of its files, else the item itself."""
    if not isinstance(item, Path):
        return item
    files = sorted(path for path in item.rglob("*") if path.is_file()) if item.is_dir() else [item]
    return [(path.relative_to(item.parent).as_posix(), sha256(path) if path.is_file() else None) for path in files]
