"""Lays a corpus down under data/: always the same five CSV files and a codebook, checked as the stages check them."""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from abstractor.base.messages import raw as messages
from abstractor.base.messages import raw_notes as notes
from abstractor.base.messages.cases import CorpusError
from abstractor.base.messages.codebook import CodebookError
from abstractor.base.params import CorpusName
from abstractor.data import copies, targets
from abstractor.data.cases import codebook as codebooks
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.data.raw.cases import (
    Coded,
    Layout,
    read_features,
    read_labels,
    read_layout,
    read_training,
    read_uids,
)
from abstractor.data.raw.problems import Problems
from abstractor.data.raw.tables import read_table, suffixed

MADE = "demo"
"""The corpus that its own stage makes."""

_NO_TEXT = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
"""Words that YAML, in one of its versions, reads as another type."""

TODO = "TODO"
"""Stands in a drafted codebook where a person has to write."""

_WRITTEN = ("train_features", "train_labels", "test_features", "test_labels", "submission_format")
_OPTIONAL = ("test_labels", "submission_format")


class Imported(NamedTuple):
    """What was laid down."""

    training: int
    """Training cases; 0 where none were laid down."""
    new: int
    """New cases."""
    coded: bool
    """Whether the new cases have labels to score against."""
    replaced: bool
    """Whether a corpus of this name was there before."""
    told: list[str]
    """Lines about whatever was not taken as it stands, and what is odd about the cases."""


def lay_corpus(name: str, source: Path, codebook: Path | None, data: Path) -> Imported:
    """Check a folder of tables and fill `<data>/raw/<name>/` and `<data>/codebooks/<name>.yaml`.

    Everything is checked before anything is written. Columns that the codebook does not name stay behind, in the
    source; other files of the target folder stay where they are.

    Args:
        name: of the corpus.
        source: folder with train_features, train_labels, test_features; optionally test_labels, submission_format.
        codebook: its codebook; None for `source`/codebook.yaml, else the one that the corpus already has.
        data: the project's data folder.

    Raises:
        CorpusError: the name, files or cases break the rules of a raw corpus, or the target is not ours to write.
        CodebookError: the codebook breaks its own.
    """
    check_name(name)
    if not source.is_dir():
        raise messages.no_source(source)
    target, folder = data / "codebooks" / f"{name}.yaml", data / "raw" / name
    if folder.is_dir() and folder.samefile(source):
        raise messages.source_is_target(folder)
    told: list[str] = []
    chosen = codebook or _codebook(source)
    if chosen is None:
        if not target.is_file():
            raise messages.no_codebook(source / "codebook.yaml")
        chosen = target
        told.append(notes.codebook_kept(target))
    book = codebooks.load(chosen)
    problems = Problems()
    with problems.gathered():
        _check_written(chosen, book)
    found: dict[str, Path | None] = dict.fromkeys(_WRITTEN)
    for stem in _WRITTEN:
        with problems.gathered():
            found[stem] = _file(source, stem)
    with problems.gathered():
        targets.check(folder, _WRITTEN, list(filter(None, found.values())), target, chosen)
    training, new = None, None
    if (features := found["train_features"]) and (coded := found["train_labels"]):
        with problems.gathered():
            training = read_training(features, coded, book, told)
    if asked := found["test_features"]:
        with problems.gathered():
            new = _new_cases(asked, found["test_labels"], found["submission_format"], book, told)
    if training and new:
        with problems.gathered():
            told += _met(training.cases, new.cases.cases)
    problems.settle()
    assert training and new
    labels = _with_former(folder, target, book, new.cases, told)
    same, before = targets.same_content(chosen, target), (folder / "train_features.csv").exists()
    if target.is_file() and not same:
        told.append(notes.codebook_saved(targets.saved(target, folder / "codebook.yaml")))
    tables = {"train_features": _features(training.cases), "train_labels": _labels(training.labels)}
    targets.lay(folder, _new_tables(book, new, labels) | tables, None if same else (chosen, target))
    return Imported(len(training.cases), len(labels), _coded(labels), before, told)


def lay_new_cases(name: str, source: Path, data: Path) -> Imported:
    """Check a file of new cases and lay it down as those of corpus `name`, whose training files need not be there.

    Labels that the former new cases have stay with the cases of the same uid and text. Where others would be lost, the
    former file is kept beside.

    Args:
        name: of a corpus whose codebook is there.
        source: a table of cases.
        data: the project's data folder.

    Raises:
        CorpusError: the name is the made-up corpus', the file or cases break the rules of a raw corpus, or the target
            is not ours to write.
        CodebookError: there is no codebook of this name, or it breaks its own rules.
    """
    check_name(name)
    target, folder = data / "codebooks" / f"{name}.yaml", data / "raw" / name
    book = codebooks.load(target)
    told: list[str] = []
    problems = Problems()
    with problems.gathered():
        targets.check(folder, _WRITTEN[2:], [source], target, target)
    with problems.gathered():
        new = _new_cases(source, None, None, book, told)
    problems.settle()
    training = folder / "train_features.csv"
    if training.is_file():
        told += _met(read_features(training, book), new.cases.cases)
    else:
        told += _copies(new.cases.cases, "new")
    before = (folder / "test_features.csv").exists()
    labels = _with_former(folder, target, book, new.cases, told)
    targets.lay(folder, _new_tables(book, new, labels), None)
    return Imported(0, len(labels), _coded(labels), before, told)


def _check_written(path: Path, book: Codebook) -> None:
    """Refuse a draft: a language model would be asked what stands in it."""
    texts = {each.name: [each.definition, each.question, *each.values.values()] for each in book.variables}
    texts |= {name: [text] for name, text in book.narratives.items()} | {"unit": [book.unit]}
    unwritten = [name for name, found in texts.items() if any(re.search(rf"\b{TODO}\b", text) for text in found)]
    if unwritten:
        raise messages.unwritten(path, unwritten, TODO)


class _New(NamedTuple):
    """New cases, in the order of their file."""

    cases: Coded
    """Not coded where there is no file of labels."""
    layout: Layout


def _new_cases(features: Path, labels: Path | None, layout: Path | None, book: Codebook, told: list[str]) -> _New:
    problems = Problems()
    cases, order = read_features(features, book, told), read_uids(features)
    coded, asked = _no_labels(book, order), Layout(tuple(order), book.names)
    names = {name.casefold() for name in book.names}
    codes = sum(name.casefold() in names for name in read_table(features, ["uid"], others=True).header)
    if codes and not labels:
        told.append(notes.codes_left_out(features, codes))
    with problems.gathered():
        if labels:
            coded = read_labels(labels, book, order, told).loc[order]
    with problems.gathered():
        if layout:
            asked = read_layout(layout, book, order)
    problems.settle()
    return _New(Coded(cases.loc[order], coded), asked)


def _met(training: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    """What to tell of cases that stand twice under other uids.

    Raises:
        CorpusError: a case is both a training case and a new one.
    """
    both = new.index.isin(training.index)
    if both.any():
        raise messages.on_both_sides(int(both.sum()))
    across = int(copies.keys(new).isin(set(copies.keys(training))).sum())
    found = _copies(training, "training") + _copies(new, "new")
    alike = int(new.index.map(_loose).isin(training.index.map(_loose)).sum())
    found += [notes.uids_alike(alike)] if alike else []
    return found + ([notes.copies_across(across)] if across else [])


def _loose(uid: str) -> str:
    """The same for a uid in other capitals, as a float, or without zeros at its start."""
    return re.sub(r"\.0+$", "", uid.casefold()).lstrip("0")


def _copies(cases: pd.DataFrame, where: str) -> list[str]:
    count = int(copies.keys(cases).duplicated().sum())
    return [notes.copies(len(cases), count, where)] if count else []


def _with_former(folder: Path, codebook: Path, book: Codebook, new: Coded, told: list[str]) -> pd.DataFrame:
    """The labels of new cases; where none are coded, those that the former ones of the same uids and texts have.

    A label of a variable whose kind or values changed is none of today's. A file of which a label is lost is kept.
    """
    path, labels = folder / "test_labels.csv", new.labels.copy()
    if not path.is_file():
        return labels
    try:
        before = codebooks.load(codebook) if codebook.is_file() else book
        former = read_labels(path, before, read_uids(path))
        if not _coded(former):
            return labels
        texts = copies.keys(read_features(folder / "test_features.csv", before))
    except (CodebookError, CorpusError):  # not all there, or edited since
        told.append(notes.labels_saved(targets.saved(path)))
        return labels
    former = former[(former != NOT_CODED).any(axis=1)]
    kinds = {each.name: (each.kind, each.values) for each in before.variables}
    same = [each.name for each in book.variables if kinds.get(each.name) == (each.kind, each.values)]
    kept = former.index.intersection(labels.index)
    kept = kept[(texts.reindex(kept) == copies.keys(new.cases).reindex(kept)).to_numpy()]
    kept = kept[(former.loc[kept, same] != NOT_CODED).any(axis=1)]
    if len(kept) and not _coded(labels):
        told.append(notes.labels_kept(len(kept)))
        labels.loc[kept, same] = former.loc[kept, same]
    still = (labels.loc[kept, same] != NOT_CODED).reindex(former.index, columns=former.columns, fill_value=False)
    lost = int(((former != NOT_CODED) & ~still).any(axis=1).sum())
    if lost:
        told.append(notes.labels_saved(targets.saved(path), lost))
    return labels


def check_name(name: str) -> None:
    """Refuse a name that no imported corpus may have.

    Raises:
        CorpusError: it has another form, or is the made-up corpus'.
    """
    try:
        TypeAdapter(CorpusName).validate_python(name)
    except ValidationError:
        raise messages.other_name() from None
    if name in _NO_TEXT:
        raise messages.other_name()
    if name == MADE:
        raise messages.made_corpus(MADE)


def _no_labels(book: Codebook, uids: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(NOT_CODED, index=uids, columns=list(book.names), dtype="int16")


def _coded(labels: pd.DataFrame) -> bool:
    return bool((labels != NOT_CODED).any(axis=None))


def _new_tables(book: Codebook, new: _New, labels: pd.DataFrame) -> dict[str, targets.Table]:
    """The labels first: `targets.lay` treats them apart."""
    return {
        "test_labels": _labels(labels),
        "test_features": _features(new.cases.cases),
        "submission_format": _placeholders(book, new.layout),
    }


def _file(source: Path, stem: str) -> Path | None:
    named = sorted(path for path in source.glob("*") if path.name.lower().startswith(f"{stem}."))
    if unread := [path for path in named if not suffixed(path)]:
        raise messages.other_suffix(unread[0])
    paths = [path for path in named if path.stem.lower() == stem]
    if len(paths) > 1:
        raise messages.several_files(source, [path.name for path in paths])
    if stem not in _OPTIONAL and not paths:
        raise messages.no_such_file(source, stem)
    return paths[0] if paths else None


def _codebook(source: Path) -> Path | None:
    paths = sorted(path for path in source.glob("*") if path.name.lower() in ("codebook.yaml", "codebook.yml"))
    if len(paths) > 1:
        raise messages.several_files(source, [path.name for path in paths])
    return paths[0] if paths else None


def _features(cases: pd.DataFrame) -> targets.Table:
    return ["uid", *cases.columns], cases.itertuples(name=None)


def _labels(labels: pd.DataFrame) -> targets.Table:
    cells = labels.astype("str").mask(labels == NOT_CODED, "")
    return ["uid", *labels.columns], cells.itertuples(name=None)


def _placeholders(book: Codebook, layout: Layout) -> targets.Table:
    """Every cell holds its variable's first code."""
    first = {variable.name: variable.codes[0] for variable in book.variables}
    placeholders = [first[name] for name in layout.variables]
    return ["uid", *layout.variables], ([uid, *placeholders] for uid in layout.uids)
