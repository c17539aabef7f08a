"""Refuse case data in git: python tools/guard.py, before each commit by tools/hooks/pre-commit and in `make test`.

Looks at the index, which is what a commit would hold: every file's name, size and first lines, no matter how it got
there; at what its metrics tell, alone and beside the last commit's (tools/released.py); with --history at every version
of a file in the commits up to this one too, since a push sends them all. It says which file and why, and shows nothing
of it.
"""

import argparse
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import released

from abstractor.base.errors import UserError
from abstractor.base.script import run_script
from abstractor.data.cases import codebook

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
WEIGHTS = {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz"}
CLOSED = {".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar", ".tgz", ".sqlite", ".sqlite3", ".db", ".duckdb"}
CLOSED |= {".h5", ".hdf5", ".docx", ".pdf"}
"""Files that hold others, or text, where it cannot be looked for."""
RECORDS = {".json", ".yaml", ".yml", ".txt", ".html"} | TABLES
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
    categorical: dict[str, set[str]]
    """Corpus -> those of its variables."""


def names(folder: Path) -> Names:
    """The narrative columns and the variables of the codebooks in a project."""
    books = {path.stem: codebook.load(path) for path in sorted((folder / CODEBOOKS).glob("*.yaml"))}
    return Names(
        {name for book in books.values() for name in book.narratives},
        {name for book in books.values() for name in book.names},
        {
            corpus: {variable.name for variable in book.variables if variable.kind == "categorical"}
            for corpus, book in books.items()
        },
    )


def problem(entry: Entry, known: Names) -> str | None:
    """Why a file may not be in git; None where it may."""
    suffix = PurePosixPath(entry.path).suffix.lower()
    if len(entry.content) > LARGEST and entry.path != "dvc.lock":
        return f"{len(entry.content):,} bytes, more than {LARGEST:,}"
    if suffix in TABLES and not entry.path.startswith(TABLES_ALLOWED):
        return f"a table ({suffix}) outside {' and '.join(TABLES_ALLOWED)}"
    if suffix in WEIGHTS:
        return f"weights ({suffix})"
    if suffix in CLOSED:
        return f"an archive, database or document ({suffix}), which may hold anything"
    if entry.path.startswith(CODEBOOKS):
        return None
    text = entry.content.decode("utf-8", errors="replace")
    if suffix == ".ipynb" and '"output_type"' in text:
        return "a notebook with outputs; clear them"
    columns = _header(text) | (_keys(text, known) if suffix in RECORDS else set())
    if columns & known.narratives:
        return "a narrative column"
    variables = {column.split("=")[0] for column in columns} & known.variables
    return "uids with coded variables" if "uid" in columns and variables else None


def check(folder: Path, history: bool = False) -> None:
    """Look at every file of the index of the repository in `folder`, and of its commits.

    Raises:
        GuardError: names each file that may not be there, and says what to do.
    """
    known = names(folder)
    entries = list(index(folder))
    refuse(
        ((entry.path, problem(entry, known)) for entry in entries),
        "take it out of the commit with `git rm --cached FILE`",
    )
    refuse(
        released.problems(dict(entries), dict(last_commit(folder)), known.categorical),
        "let the stage that wrote it run again with ten cases more or fewer, or keep what the last commit has: "
        "`git checkout HEAD -- FILE`",
    )
    if history:
        refuse(
            ((entry.path, problem(entry, known)) for entry in committed(folder)),
            "a later commit does not take it away: rewrite those since, before any push",
        )


def refuse(problems: Iterable[tuple[str, str | None]], advice: str) -> None:
    """Raise `GuardError` with the paths of files that may not be in git and why, if there are any."""
    found = [(path, why) for path, why in problems if why]
    if found:
        raise GuardError(
            "git may hold no case data:\n"
            + "".join(f"  {path}: {why}\n" for path, why in found)
            + f"{advice}; what belongs to a case lives in data/, which git ignores and DVC keeps"
        )


def index(folder: Path) -> Iterator[Entry]:
    """All files of git's index, with their content there."""
    listed = _git(folder, "ls-files", "--stage", "-z").split(b"\0")[:-1]
    return _contents(folder, [(line.split()[1], line.split(b"\t", 1)[1]) for line in listed])


def last_commit(folder: Path) -> Iterator[Entry]:
    """The last commit's version of parameters and metrics that the index changes."""
    listed = _git(folder, "diff", "--cached", "--raw", "--no-abbrev", "--no-renames", "-z", "--", *released.READS)
    fields = listed.split(b"\0")[:-1]
    blobs = [(line.split()[2], path) for line, path in zip(fields[::2], fields[1::2], strict=True)]
    return _contents(folder, [(blob, path) for blob, path in blobs if blob.strip(b"0")])


def committed(folder: Path) -> Iterator[Entry]:
    """Every version of every file in the commits up to the present one."""
    lines = [line.split(b" ", 1) for line in _git(folder, "rev-list", "--objects", "HEAD").splitlines()]
    names = [(line[0], line[1]) for line in lines if len(line) == 2 and line[1]]
    asked = b"\n".join(name for name, _ in names) + b"\n"
    kinds = _git(folder, "cat-file", "--batch-check=%(objecttype)", given=asked).splitlines()
    return _contents(folder, [name for name, kind in zip(names, kinds, strict=True) if kind == b"blob"])


def _contents(folder: Path, blobs: list[tuple[bytes, bytes]]) -> Iterator[Entry]:
    """The files of pairs (object, path)."""
    output = _git(folder, "cat-file", "--batch", given=b"\n".join(blob for blob, _ in blobs) + b"\n" if blobs else b"")
    start = 0
    for _, path in blobs:
        end = output.index(b"\n", start)
        size = int(output[start:end].split()[2])
        yield Entry(path.decode("utf-8", errors="replace"), output[end + 1 : end + 1 + size])
        start = end + size + 2


def _header(text: str) -> set[str]:
    """The fields of the first line that is not empty, whatever parts them: a printed table has two spaces or more."""
    first = text.lstrip("\ufeff \r\n").split("\n", 1)[0]
    return {field.strip(" \r\"'") for field in re.split(r"[,;\t|]|\s{2,}", first)}


def _keys(text: str, known: Names) -> set[str]:
    """The known names that stand as a key of JSON or YAML, or head a column in HTML."""
    wanted = "|".join(map(re.escape, sorted(known.narratives | known.variables | {"uid"})))
    before, after = r"(?:(?:^|[\s{,\[])[\"']?|<th[^>]*>\s*)", r"(?:[\"']?\s*:|\s*</th>)"
    return set(re.findall(f"{before}({wanted}){after}", text, re.MULTILINE))


def _git(folder: Path, *command: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["git", *command], cwd=folder, input=given, capture_output=True, check=False)
    if done.returncode:
        raise GuardError(f"{folder}: git {command[0]} failed; run it in a clone of the repository")
    return done.stdout


def main() -> None:
    """Check the repository of the working directory."""
    parser = argparse.ArgumentParser(description="Refuse case data in git.")
    parser.add_argument("--history", action="store_true", help="look at all commits up to this one too")
    check(Path.cwd(), parser.parse_args().history)


if __name__ == "__main__":
    run_script(main)
