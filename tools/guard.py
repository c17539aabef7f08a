"""Refuse case data in git: python tools/guard.py, before each commit by tools/hooks/pre-commit and in `make test`.

Looks at the index, which is what a commit would hold: every file's name, size and first lines, no matter how it got
there; at what its metrics tell, alone and beside earlier ones (tools/released.py); with --history at every version of a
file in the commits up to this one, or to those named, too, since a push sends them all. It says which file and why, and
shows nothing of it.
"""

import argparse
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import released

from abstractor.base.errors import UserError
from abstractor.base.script import run_script
from abstractor.data.cases import codebook
from abstractor.data.raw.tables import column_key as key

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
PLOTS = {
    "metrics/plots/f1.csv": "variable,system,f1",
    "metrics/plots/reliability.csv": "system,predicted,observed,count",
}
CURVE = "step\tpart\tloss"
"""Headers of what the stages write there."""
WEIGHTS = {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz"}
CLOSED = {".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar", ".tgz", ".sqlite", ".sqlite3", ".db", ".duckdb"}
CLOSED |= {".h5", ".hdf5", ".docx", ".pdf", ".doc", ".rtf", ".odt", ".pptx", ".key", ".msg", ".eml", ".bak", ".sql"}
CLOSED |= {".por", ".zsav", ".sas7bdat", ".xpt", ".rds", ".rdata", ".xlsm", ".xlsb", ".numbers", ".mdb", ".accdb"}
CLOSED |= {".orc", ".avro"}
"""Files that hold others, or text, where it cannot be looked for; whatever is no UTF-8 text is refused by its bytes."""
RECORDS = {".json", ".yaml", ".yml", ".txt", ".html"} | TABLES
"""Files whose keys are looked at too; code and prose may name a column."""
CODE = {".py"}
"""Files that may list columns: their first line alone is looked at."""
UIDS = {"uid", "id", "case"}
HEAD = 20
"""Lines that may head a table: a title, or a heading and its prose, stand above some."""
LONGEST_HEAD = 100_000
"""Characters."""
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
    try:
        text = entry.content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return "no text in UTF-8, so that nothing can be looked for in it"
    if suffix == ".ipynb" and '"output_type"' in text:
        return "a notebook with outputs; clear them"
    narratives, variables = ({key(name) for name in group} for group in (known.narratives, known.variables))
    groups = list(_heads(text, narratives | variables, 1 if suffix in CODE else HEAD))
    if suffix in RECORDS:
        groups.append(_keys(text))
    if any(columns & narratives for columns in groups):
        return "a narrative column"
    if any(columns & UIDS and columns & variables for columns in groups):
        return "uids with coded variables"
    if entry.path.startswith(TABLES_ALLOWED) and text.partition("\n")[0].rstrip("\r") != PLOTS.get(entry.path, CURVE):
        return "not what a stage writes there, by its name or its columns"
    return None


def check(folder: Path, history: Sequence[str] | None = None) -> None:
    """Look at every file of the index of the repository in `folder`, and of the commits up to those of `history`.

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
        released.problems(dict(entries), [dict(commit) for commit in earlier(folder)], known.categorical),
        "let the stage that wrote it run again with ten cases more or fewer, or keep what the last commit has: "
        "`git checkout HEAD -- FILE`",
    )
    if history is not None:
        refuse(
            ((entry.path, problem(entry, known)) for entry in committed(folder, history)),
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


def earlier(folder: Path) -> Iterator[Iterator[Entry]]:
    """What the index changes of parameters and metrics, as the last commit has it.

    Then, of metrics that the last commit lacks, the last version there was, with the parameters of its commit.
    """
    listed = _git(folder, "diff", "--cached", "--raw", "--no-abbrev", "--no-renames", "-z", "--", *released.READS)
    fields = listed.split(b"\0")[:-1]
    blobs = [(line.split()[2], path) for line, path in zip(fields[::2], fields[1::2], strict=True)]
    yield _contents(folder, [(blob, path) for blob, path in blobs if blob.strip(b"0")])
    for path in (path for blob, path in blobs if not blob.strip(b"0") and path.endswith(b".json")):
        name = path.decode("utf-8", errors="surrogateescape")
        # A repository without a commit has no HEAD.
        log = _git(folder, "log", "-1", "--diff-filter=AM", "--format=%H", "--ignore-missing", "HEAD", "--", name)
        if commit := log.decode().strip():
            tree = _git(folder, "ls-tree", "-z", commit, "--", name, released.PARAMS).split(b"\0")[:-1]
            yield _contents(folder, [(line.split()[2], line.split(b"\t", 1)[1]) for line in tree])


def committed(folder: Path, revisions: Sequence[str] = ()) -> Iterator[Entry]:
    """Every version of every file in the commits up to the present one, or to those named."""
    listed = _git(folder, "rev-list", "--objects", *(revisions or ["HEAD"]), "--").splitlines()
    lines = [line.split(b" ", 1) for line in listed]
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


def _heads(text: str, names: set[str], lines: int) -> Iterator[set[str]]:
    """What stands in each of the first `lines` lines, whatever parts it, as keys: a printed table has blanks.

    Prose has single blanks too: there half of the words must be names of columns.
    """
    head = text.lstrip("\ufeff \r\n")[:LONGEST_HEAD].split("\n", lines)[:lines]
    together = key("".join(head))
    if not any(name in together for name in names):
        return
    for number, line in enumerate(head):
        fields = {key(field.split("=")[0]) for field in re.split(r"[,;\t|]|\s{2,}", line)}
        if number == 0 or len(fields) > 1:
            yield fields
        words = [key(word) for word in line.split()]
        if len(words) > 1 and 2 * sum(word in names | UIDS for word in words) >= len(words):
            yield set(words)


def _keys(text: str) -> set[str]:
    """What stands as a key of JSON or YAML, or heads a column in HTML, as keys."""
    found = re.findall(r"(?:^[ -]*|[\"'{,\[>] *)(\w[\w .-]{0,80})(?:[\"']?\s*:|\s*</th>)", text, re.MULTILINE)
    return {key(name) for name in set(found)}


def _git(folder: Path, *command: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["git", *command], cwd=folder, input=given, capture_output=True, check=False)
    if done.returncode:
        raise GuardError(f"{folder}: git {command[0]} failed; run it in a clone of the repository")
    return done.stdout


def main() -> None:
    """Check the repository of the working directory."""
    parser = argparse.ArgumentParser(description="Refuse case data in git.")
    parser.add_argument(
        "--history", nargs="*", metavar="REV", help="look at all commits up to this one, or to those named, too"
    )
    check(Path.cwd(), parser.parse_args().history)


if __name__ == "__main__":
    run_script(main)
