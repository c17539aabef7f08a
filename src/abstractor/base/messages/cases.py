"""Of cases and labels, raw or prepared."""

from pathlib import Path

from abstractor.base.errors import UserError


class CorpusError(UserError):
    """Cases or labels are missing, unreadable or not what the codebook says."""


def missing(path: Path) -> CorpusError:
    return CorpusError(f"{path} is missing; make it with `dvc repro`")


def unreadable(path: Path) -> CorpusError:
    return CorpusError(f"{path} cannot be read as Parquet; make it again with `dvc repro`")


def other_columns(path: Path) -> CorpusError:
    return CorpusError(f"{path} has other columns than the codebook; make it again with `dvc repro`")
