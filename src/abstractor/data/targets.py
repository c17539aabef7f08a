"""The files that an import may write, and how: none of another's is touched, and all are written or none is."""

import csv
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from abstractor.base.files import prepared
from abstractor.base.messages import raw as messages
from abstractor.base.messages.codebook import CodebookError
from abstractor.data.cases import codebook as codebooks
from abstractor.data.raw.problems import Problems

Table = tuple[Sequence[str], Iterable[Sequence[object]]]
"""Header and rows."""


def check(folder: Path, stems: Sequence[str], sources: list[Path], codebook: Path, chosen: Path) -> None:
    """Refuse to write what is not ours: the source itself, a link, a folder, a table with columns of another's.

    Args:
        folder: of the tables.
        stems: of the tables to write there.
        sources: files that are read.
        codebook: where the codebook comes to lie.
        chosen: the codebook that is read.

    Raises:
        CorpusError: names every file that may not be written.
    """
    if not folder.is_dir() and (folder.exists() or folder.is_symlink()):
        raise messages.no_folder(folder)
    names = {"uid"}
    for path in filter(Path.is_file, {codebook, chosen}):
        with suppress(CodebookError):  # a former one may be broken: it is about to be replaced
            book = codebooks.load(path)
            names |= {*book.names, *book.narratives}
    problems = Problems()
    for path in (folder / f"{stem}.csv" for stem in stems):
        with problems.gathered():
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise messages.no_plain_file(path)
            if any(path.exists() and path.samefile(source) for source in sources if source.is_file()):
                raise messages.source_is_target(path)
            if path.is_file() and not _written_here(path, names):
                raise messages.not_ours(path)
    with problems.gathered():
        if codebook.is_symlink() and not same_content(chosen, codebook):
            raise messages.no_plain_file(codebook)
    problems.settle()


def _written_here(path: Path, names: set[str]) -> bool:
    """Whether a CSV file has no other columns than these, as ours have."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return set(next(csv.reader(file), [])) <= names
    except (UnicodeDecodeError, csv.Error):
        return False


def same_content(one: Path, other: Path) -> bool:
    """Whether the second file is there and equals the first."""
    return other.is_file() and one.read_bytes() == other.read_bytes()


def lay(folder: Path, tables: dict[str, Table], codebook: tuple[Path, Path] | None) -> None:
    """Write the tables into the folder, and the codebook (from, to).

    All are complete before the first takes its place. Then the old ones go before the new ones come: a run that is
    killed in between leaves files of one import alone, and no stage runs without the others until the import is run
    again. Only the labels, the first table, are replaced at once: the new ones may hold some of the old.
    """
    with ExitStack() as stack:
        partials = {}
        for stem, (header, rows) in tables.items():
            partials[stem] = stack.enter_context(prepared(folder / f"{stem}.csv"))
            write_csv(partials[stem], header, rows)
        if codebook:
            copied = stack.enter_context(prepared(codebook[1]))
            shutil.copyfile(codebook[0], copied)
        for stem in [*tables][1:]:
            (folder / f"{stem}.csv").unlink(missing_ok=True)
        if codebook:
            copied.replace(codebook[1])
        for stem, partial in partials.items():
            partial.replace(folder / f"{stem}.csv")


def saved(path: Path, like: Path | None = None) -> Path:
    """A copy of a file beside it, or beside `like`, under the first name that is free."""
    like = like or path
    names = (like.with_name(f"{like.stem}.former{number}{like.suffix}") for number in ("", *range(2, 1000)))
    copy = next(each for each in names if not each.exists())
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)
    return copy


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as every raw one is written here."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
