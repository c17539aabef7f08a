"""Writing files whole or not at all, JSON that never changes its order, and what a file's content hashes to."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abstractor.base.messages import files as messages


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON with a final newline, whole or not at all."""
    with replaced(path) as partial:
        partial.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def prepared(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` (file or folder) to be completed and moved; gone at the end if it was not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    _remove(partial)  # of a run that was killed
    try:
        yield partial
    finally:
        _remove(partial)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place (file or folder) when the block ends well.

    A block that raises leaves `path` as it was and the temporary file removed. A link stays: what it leads to is
    replaced.

    Raises:
        RunError: `path` is not ours to replace: a link to nothing, a mount point, a folder in a file's place or a file
            in a folder's, or a folder without a single name of the new one.
    """
    path = _end_of_link(path)
    if path.is_mount():
        raise messages.mount_point(path)
    _remove(_doomed(path))
    with prepared(path) as partial:
        yield partial
        if path.exists():
            _check_ours(path, partial)
        if path.is_dir():
            discard(path)
        partial.replace(path)


def _end_of_link(path: Path) -> Path:
    """Where a link leads; one to a file that nobody may write is DVC's, into its cache, and is replaced itself."""
    if not path.is_symlink():
        return path
    if not path.exists():
        raise messages.link_to_nothing(path)
    protected = path.is_file() and not path.stat().st_mode & 0o222
    return path if protected else path.resolve()


def _check_ours(path: Path, new: Path) -> None:
    if path.is_dir() != new.is_dir():
        raise messages.other_kind(path, new.is_dir())
    if path.is_dir():
        old_names, names = ({each.name for each in folder.iterdir()} for folder in (path, new))
        if old_names and names and not old_names & names:
            raise messages.foreign_folder(path)


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
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
