"""Of tables of predictions, one by one and gathered."""

from pathlib import Path

from abstractor.base.errors import UserError


class PredictionsError(UserError):
    """A table of predictions is missing, incomplete or not made of probabilities."""


def missing(path: Path) -> PredictionsError:
    return PredictionsError(f"{path} is missing; run the stage that makes it, or pull it: `dvc pull {path}`")


def no_predictions(path: Path) -> PredictionsError:
    return PredictionsError(f"{path} holds no predictions; run the stage that makes it again")


def other_columns(name: str, dataset: str) -> PredictionsError:
    return PredictionsError(f"{name}: expected the columns of codebook {dataset}, found others; run its stage again")


def no_uid(name: str) -> PredictionsError:
    return PredictionsError(f"{name}: a row has no uid; run its stage again")


def repeated_uids(name: str, count: int) -> PredictionsError:
    return PredictionsError(f"{name}: {count} uids stand twice")


def no_probabilities(name: str) -> PredictionsError:
    return PredictionsError(f"{name}: values outside 0 to 1 or not finite; the model that made them has diverged")


def other_sum(name: str, variable: str) -> PredictionsError:
    return PredictionsError(f"{name}: the probabilities of {variable} do not sum to 1")


def other_order(path: Path, written: int) -> PredictionsError:
    return PredictionsError(f"{path}: expected uids that go up, found a lower one after {written} cases")


def no_case(path: Path) -> PredictionsError:
    return PredictionsError(f"{path}: expected predictions, found no case")


def other_cases(name: str, expected: int, found: int, common: int, stage: str) -> PredictionsError:
    return PredictionsError(
        f"{name}: expected {expected} cases, found {found}, of which {common} "
        f"are expected ones; it was made from other data: run stage {stage} again"
    )


def other_orders(folder: Path, stage: str) -> PredictionsError:
    return PredictionsError(f"{folder}: tables of other orders; run stage {stage} again")


def missing_member(path: Path, model: str, target: str) -> PredictionsError:
    return PredictionsError(
        f"{path} is missing, though params.yaml calls for model {model}; "
        f"run `dvc repro {target}`, or pull it: `dvc pull {target}`"
    )


def missing_gathered(path: Path) -> PredictionsError:
    return PredictionsError(f"{path} is missing; run `dvc repro infer_t4`, or pull it: `dvc pull infer_t4`")


def unreadable_gathered(path: Path) -> PredictionsError:
    return PredictionsError(f"{path} cannot be read as Parquet; run `dvc repro infer_t4`")


def other_columns_gathered(path: Path) -> PredictionsError:
    return PredictionsError(f"{path} holds other columns than predictions; run `dvc repro infer_t4`")


def no_model_or_uid(path: Path) -> PredictionsError:
    return PredictionsError(f"{path} holds a row without model or uid; run `dvc repro infer_t4`")


def other_models(path: Path) -> PredictionsError:
    return PredictionsError(f"{path} holds other models than params.yaml calls for; run `dvc repro infer_t4`")
