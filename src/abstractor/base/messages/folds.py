"""Of folds and slices."""

from pathlib import Path

from abstractor.base.errors import UserError


class FoldsError(UserError):
    """Folds or a slice that the corpus is too small for, or a fold file that is not there."""


def missing(path: Path) -> FoldsError:
    return FoldsError(f"{path} is missing; make it with `dvc repro`")


def no_folds(path: Path) -> FoldsError:
    return FoldsError(f"{path} holds no folds; make it again with `dvc repro`")


def too_few_cases(folds: int, found: int) -> FoldsError:
    return FoldsError(f"{folds} folds need at least as many cases, found {found} (copies count once); use fewer folds")


def too_large_slice(wanted: int, found: int) -> FoldsError:
    return FoldsError(f"params.yaml asks for {wanted} cases, the corpus has {found}; ask for fewer, or null for all")


def empty_fold(fold: object) -> FoldsError:
    return FoldsError(f"params.yaml: correcting: no case is in fold {fold}; list folds of `folds` only")
