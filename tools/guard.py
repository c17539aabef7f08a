"""Refuse case data in git: python tools/guard.py, before each commit by tools/hooks/pre-commit and in `make test`.

Looks at the index, which is what a commit would hold: every file's name, size and first lines, no matter how it got
there. It says which file and why, and shows nothing of it.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from abstractor import codebook
from abstractor.errors import UserError, run_script

LARGEST = 1_000_000
"""Bytes of a file in git; dvc.lock, which grows with the number of stages, aside."""
TABLES = {
    ".csv",
    ".tsv",
    ".parquet",
    ".feather",
    ".arrow",
    ".jsonl",
    ".ndjson",
    ".xlsx",
    ".xls",
    ".ods",
    ".sav",
    ".dta",
}
TABLES_ALLOWED = ("metrics/plots/", "metrics/curves/")
"""Where aggregates for plots lie."""
WEIGHTS = {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".pkl", ".ckpt", ".npy", ".npz"}
RECORDS = {".json", ".yaml", ".yml", ".txt"} | TABLES
"""Files whose keys are looked at too; code and prose may name a column."""
CODEBOOKS = "data/codebooks/"


class GuardError(UserError):
    """Git holds, or a commit would hold, case data."""


class Entry(NamedTuple):
    """One file of git's index."""

    path: str
    content: bytes


class Names(NamedTuple):
    """Columns of all codebooks."""

    narratives: set[str]
    variables: set[str]


def names(folder: Path) -> Names:
    """The narrative columns and the variables of the codebooks in a project."""
    books = [codebook.load(path) for path in sorted((folder / CODEBOOKS).glob("*.yaml"))]
    return Names({name for book in books for name in book.narratives}, {name for book in books for name in book.names})


def problem(entry: Entry, known: Names) -> str | None:
    """Why a file may not be in git; None where it may."""
    suffix = PurePosixPath(entry.path).suffix.lower()
    if len(entry.content) > LARGEST and entry.path != "dvc.lock":
        return f"{len(entry.content):,} bytes, more than {LARGEST:,}"
    if suffix in TABLES and not entry.path.startswith(TABLES_ALLOWED):
        return f"a table ({suffix}) outside {' and '.join(TABLES_ALLOWED)}"
    if suffix in WEIGHTS:
        return f"weights ({suffix})"
    if entry.path.startswith(CODEBOOKS):
        return None
    text = entry.content.decode("utf-8", errors="replace")
    columns = _header(text) | (_keys(text, known) if suffix in RECORDS else set())
    if columns & known.narratives:
        return "a narrative column"
    variables = {column.split("=")[0] for column in columns} & known.variables
    return "uids with coded variables" if "uid" in columns and variables else None


def check(folder: Path) -> None:
    """Look at every file of the index of the repository in `folder`.

    Raises:
        GuardError: names each file that may not be there, and says what to do.
    """
    known = names(folder)
    found = [(entry.path, why) for entry in index(folder) if (why := problem(entry, known))]
    if found:
        raise GuardError(
            "git may hold no case data:\n"
            + "".join(f"  {path}: {why}\n" for path, why in found)
            + "take it out of the commit with `git rm --cached FILE`; what belongs to a case lives in data/, which git "
            "ignores and DVC keeps"
        )


def index(folder: Path) -> Iterator[Entry]:
    """All files of git's index, with their content there."""
    listed = _git(folder, "ls-files", "--stage", "-z").split(b"\0")[:-1]
    blobs = [(line.split()[1], line.split(b"\t", 1)[1]) for line in listed]
    output = _git(folder, "cat-file", "--batch", given=b"\n".join(blob for blob, _ in blobs) + b"\n" if blobs else b"")
    start = 0
    for _, path in blobs:
        end = output.index(b"\n", start)
        size = int(output[start:end].split()[2])
        yield Entry(path.decode("utf-8", errors="replace"), output[end + 1 : end + 1 + size])
        start = end + size + 2


def _header(text: str) -> set[str]:
    """The fields of the first line that is not empty, whatever parts them."""
    first = text.lstrip("\ufeff \r\n").split("\n", 1)[0]
    return {field.strip(" \r\"'") for field in re.split(r"[,;\t|]", first)}


def _keys(text: str, known: Names) -> set[str]:
    """The known names that stand as a key of JSON or YAML."""
    wanted = "|".join(map(re.escape, sorted(known.narratives | known.variables | {"uid"})))
    return set(re.findall(rf"(?:^|[\s{{,\[])[\"']?({wanted})[\"']?\s*:", text, re.MULTILINE))


def _git(folder: Path, *command: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["git", *command], cwd=folder, input=given, capture_output=True, check=False)
    if done.returncode:
        raise GuardError(f"{folder}: git {command[0]} failed; run it in a clone of the repository")
    return done.stdout


def main() -> None:
    """Check the repository of the working directory."""
    check(Path.cwd())


if __name__ == "__main__":
    run_script(main)
