"""Lays a corpus down under data/: always the same five CSV files and a codebook, checked as the stages check them."""

import csv
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from abstractor.base.files import replaced
from abstractor.base.messages import raw as messages
from abstractor.base.params import CorpusName
from abstractor.data.cases import codebook as codebooks
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.data.raw.cases import Coded, Layout, read_features, read_labels, read_layout, read_training

MADE = "demo"
"""The corpus that its own stage makes."""


class Imported(NamedTuple):
    """What was laid down."""

    training: int
    """Training cases."""
    new: int
    """New cases."""
    coded: bool
    """Whether the new cases have labels to score against."""
    replaced: bool
    """Whether a corpus of this name was there before."""


def lay_corpus(name: str, source: Path, codebook: Path | None, data: Path) -> Imported:
    """Check a folder of `.csv` or `.parquet` files and fill `<data>/raw/<name>/` and `<data>/codebooks/<name>.yaml`.

    Everything is checked before anything is written. Columns that the codebook does not name stay behind.

    Args:
        name: of the corpus.
        source: folder with train_features, train_labels, test_features; optionally test_labels, submission_format.
        codebook: its codebook; None for `source`/codebook.yaml, else the one that the corpus already has.
        data: the project's data folder.

    Raises:
        CorpusError: the name, a file or a case breaks the rules of a raw corpus.
        CodebookError: the codebook does.
    """
    _check_name(name)
    target, chosen = data / "codebooks" / f"{name}.yaml", codebook or source / "codebook.yaml"
    if codebook is None and not chosen.is_file():
        if not target.is_file():
            raise messages.no_codebook(chosen)
        chosen = target
    book = codebooks.load(chosen)
    training = read_training(_found(source, "train_features"), _found(source, "train_labels"), book)
    new, layout, coded = _new_cases(source, book)
    folder = data / "raw" / name
    imported = Imported(len(training.cases), len(new.cases), coded, folder.exists())
    with ExitStack() as stack:
        # Both are complete before either takes its place.
        shutil.copyfile(chosen, stack.enter_context(replaced(target)))
        partial = stack.enter_context(replaced(folder))
        partial.mkdir()
        _write_features(partial / "train_features.csv", training.cases)
        _write_labels(partial / "train_labels.csv", training.labels)
        _write_features(partial / "test_features.csv", new.cases)
        _write_labels(partial / "test_labels.csv", new.labels)
        _write_layout(partial / "submission_format.csv", book, layout)
    return imported


def lay_new_cases(name: str, source: Path, data: Path) -> int:
    """Check a file of new cases and lay it down as those of corpus `name`, whose training files need not be there.

    Args:
        name: of a corpus whose codebook is there.
        source: a `.csv` or `.parquet` file of cases.
        data: the project's data folder.

    Returns:
        The number of new cases.

    Raises:
        CorpusError: the name is the made-up corpus', or the file or a case breaks the rules of a raw corpus.
        CodebookError: there is no codebook of this name, or it breaks its own rules.
    """
    _check_name(name)
    book = codebooks.load(data / "codebooks" / f"{name}.yaml")
    cases, folder = read_features(source, book), data / "raw" / name
    with ExitStack() as stack:
        features, labels, layout = (
            stack.enter_context(replaced(folder / f"{stem}.csv"))
            for stem in ("test_features", "test_labels", "submission_format")
        )
        _write_features(features, cases)
        _write_labels(labels, _no_labels(book, cases))
        _write_layout(layout, book, Layout(tuple(cases.index), book.names))
    return len(cases)


def _check_name(name: str) -> None:
    try:
        TypeAdapter(CorpusName).validate_python(name)
    except ValidationError:
        raise messages.other_name() from None
    if name == MADE:
        raise messages.made_corpus(MADE)


def _new_cases(source: Path, book: Codebook) -> tuple[Coded, Layout, bool]:
    """New cases with labels (not coded where there is no file), their layout, and whether any label came with them."""
    cases = read_features(_found(source, "test_features"), book)
    labels_file, layout_file = _file(source, "test_labels"), _file(source, "submission_format")
    labels = read_labels(labels_file, book, cases.index) if labels_file else _no_labels(book, cases)
    layout = read_layout(layout_file, book, cases.index) if layout_file else Layout(tuple(cases.index), book.names)
    return Coded(cases, labels), layout, bool((labels != NOT_CODED).any(axis=None))


def _no_labels(book: Codebook, cases: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(NOT_CODED, index=cases.index, columns=list(book.names), dtype="int16")


def _found(source: Path, stem: str) -> Path:
    path = _file(source, stem)
    if path is None:
        raise messages.neither_file(source, stem)
    return path


def _file(source: Path, stem: str) -> Path | None:
    paths = [path for suffix in ("csv", "parquet") if (path := source / f"{stem}.{suffix}").is_file()]
    if len(paths) > 1:
        raise messages.both_files(source, stem)
    return paths[0] if paths else None


def _write_features(path: Path, cases: pd.DataFrame) -> None:
    _write(path, ["uid", *cases.columns], cases.itertuples(name=None))


def _write_labels(path: Path, labels: pd.DataFrame) -> None:
    cells = labels.astype("str").mask(labels == NOT_CODED, "")
    _write(path, ["uid", *labels.columns], cells.itertuples(name=None))


def _write_layout(path: Path, book: Codebook, layout: Layout) -> None:
    """Every cell holds its variable's first code as a placeholder."""
    first = {variable.name: variable.codes[0] for variable in book.variables}
    placeholders = [first[name] for name in layout.variables]
    _write(path, ["uid", *layout.variables], ([uid, *placeholders] for uid in layout.uids))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
