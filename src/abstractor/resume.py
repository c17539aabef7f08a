"""A run that was stopped goes on where it was: a folder that outlives it, found again by what the run depends on."""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abstractor.runs import versions

SCRATCH = Path(".scratch/runs")
"""Outside of what stages make, which DVC deletes when a stage starts."""


@contextmanager
def kept(purpose: str, *depends: Any) -> Iterator[Path]:
    """A folder for what a run has finished so far.

    The next run with the same purpose and the same inputs finds it; one with other inputs removes it. It goes when the
    block ends well.

    Args:
        purpose: what the run makes, as a relative path: `train/sc1_minilm/0`.
        depends: what its result depends on: files and folders as `Path`, by content; anything else by its `repr`.
            The project's loaded modules and the versions of its packages are added.

    Yields:
        The folder, readable by its owner only.
    """
    place = SCRATCH / purpose
    folder = place / key(*depends)
    for other in place.iterdir() if place.is_dir() else ():
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(place)


def key(*depends: Any) -> str:
    """Sixteen hexadecimal digits that change with any of `depends`, the loaded code and the packages; see `kept`."""
    digest = hashlib.sha256()
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("abstractor.")]
    code = [Path(module.__file__) for module in modules if module.__file__]
    for item in (*depends, *code, versions()):
        paths = sorted(item.rglob("*")) if isinstance(item, Path) and item.is_dir() else [item]
        for path in paths:
            if isinstance(path, Path) and path.is_file():
                with path.open("rb") as file:
                    digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
            elif not isinstance(path, Path):
                digest.update(f"{path!r}\0".encode())
    return digest.hexdigest()[:16]
