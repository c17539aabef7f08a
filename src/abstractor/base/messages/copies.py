"""Of the table of new cases that are copies."""

from pathlib import Path

from abstractor.base.errors import UserError


class CopiesError(UserError):
    """The table of copies is not there, or holds something else."""


def missing(path: Path) -> CopiesError:
    return CopiesError(f"{path} is missing; make it with `dvc repro`")


def no_copies(path: Path) -> CopiesError:
    return CopiesError(f"{path} holds no table of copies; make it again with `dvc repro`")
