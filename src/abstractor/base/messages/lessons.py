"""Of what models learn from: training sets, corrected labels, made cases and who labels them."""

from pathlib import Path

from abstractor.base.errors import UserError
from abstractor.base.params import ParamsError


class ExamplesError(UserError):
    """A training set is missing, unreadable or made with another codebook."""


class TrainingSetError(UserError):
    """What a model should learn from does not fit the prepared cases."""


class MadeError(UserError):
    """Made cases are missing, unreadable, or made from other cases than there are."""


def missing(path: Path) -> ExamplesError:
    return ExamplesError(f"{path} is missing; make it with `dvc repro`")


def unreadable(path: Path) -> ExamplesError:
    return ExamplesError(f"{path} cannot be read as Parquet; make it again with `dvc repro`")


def other_columns(path: Path) -> ExamplesError:
    return ExamplesError(f"{path} has other columns than the codebook; make it again with `dvc repro`")


def other_corrected_cases(path: Path, cases: int, fold: object) -> TrainingSetError:
    return TrainingSetError(
        f"{path}: expected the {cases} cases outside fold {fold}, found others; run stage correct_labels"
    )


def coded_among_made(path: Path) -> TrainingSetError:
    return TrainingSetError(f"{path}: expected made cases only, found coded ones; run stage label_cases again")


def missing_made(path: Path) -> MadeError:
    return MadeError(f"{path} is missing, though params.yaml calls for it; run `dvc repro`")


def unreadable_made(path: Path) -> MadeError:
    return MadeError(f"{path} cannot be read as Parquet; make it again with `dvc repro`")


def other_columns_made(path: Path) -> MadeError:
    return MadeError(f"{path} has other columns than the codebook; make it again with `dvc repro`")


def no_writers() -> MadeError:
    return MadeError("params.yaml: making: expected the writers of made cases, found none; name one of `writers`")


def none_outside(folder: Path, fold: object) -> MadeError:
    return MadeError(
        f"{folder}: expected made cases whose sources lie outside fold {fold}, found none; metrics/made/ counts "
        "why they were dropped: raise make_cases.cases, or take another writer"
    )


def unknown_sources(count: int) -> MadeError:
    return MadeError(
        f"{count} made cases come from cases that are not in data/prepared/folds.parquet; run stage make_cases again"
    )


def unknown_teacher(params: Path, kind: str, model: str) -> ParamsError:
    return ParamsError(f"{params}: teachers_{kind}: {model} is not in `{kind}`")


def repeated_teacher(params: Path, kind: str, model: str) -> ParamsError:
    return ParamsError(f"{params}: teachers_{kind}: {model} stands twice")


def no_teacher(params: Path, number: int) -> ParamsError:
    return ParamsError(f"{params}: nobody labels for round {number}; name its members in teachers_sc/_ar")
