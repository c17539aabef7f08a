"""Writing files whole or not at all, JSON that never changes its order, and what a file's content hashes to."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON with a final newline, whole or not at all."""
    with replaced(path) as partial:
        partial.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place (file or folder) when the block ends well.

    A block that raises leaves `path` as it was and the temporary file removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    for rest in (partial, _doomed(path)):  # of a run that was killed
        _remove(rest)
    try:
        yield partial
        if path.is_dir():
            discard(path)
        partial.replace(path)
    finally:
        _remove(partial)


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first, whatever a killed run left in it, and gone at the end."""
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        _remove(folder)


def discard(folder: Path) -> None:
    """Remove a folder, first from under its name: a run that is killed meanwhile leaves no part of it there."""
    doomed = _doomed(folder)
    _remove(doomed)
    folder.rename(doomed)
    _remove(doomed)


def _doomed(path: Path) -> Path:
    return path.with_name(f".{path.name}.discarded")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
