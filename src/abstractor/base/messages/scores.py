"""Of scores: the baseline, the fitted ensemble, and the files of decisions."""

from pathlib import Path

from abstractor.base.errors import UserError


class BaselineError(UserError):
    """The baseline finds nothing to count in the narratives."""


class TooFewCasesError(UserError):
    """Too few cases to fit on four parts and score on the fifth."""


class BlendError(UserError):
    """The fitted ensemble is missing, or was fitted for other models or variables."""


class SubmissionError(UserError):
    """The files of decisions and those that came with the new cases do not fit together."""


def no_words(min_df: int, cases: int) -> BaselineError:
    return BaselineError(
        f"baseline: no word stands in {min_df} of {cases} training cases; lower baseline.min_df or raise `cases`"
    )


def too_few_cases(needed: int, found: int) -> TooFewCasesError:
    return TooFewCasesError(
        f"a cross-fitted score needs {needed} coded cases, found {found}; raise `cases` or use fewer folds"
    )


def missing_blend(path: Path) -> BlendError:
    return BlendError(f"{path} is missing; run `dvc repro ensemble`, or pull it: `dvc pull ensemble`")


def no_blend(path: Path) -> BlendError:
    return BlendError(f"{path} holds no fitted ensemble; run `dvc repro -f ensemble`")


def other_variables(path: Path) -> BlendError:
    return BlendError(f"{path} was fitted for other variables than those of the codebook; run `dvc repro ensemble`")


def other_models(path: Path) -> BlendError:
    return BlendError(f"{path} was fitted for other models than params.yaml calls for; run `dvc repro ensemble`")


def uncovered(path: Path, needed: int, lacking: int) -> SubmissionError:
    return SubmissionError(
        f"{path}: expected a row for each of {needed} new cases, found none for {lacking} of them; "
        "put the new cases in place again, then `dvc repro`"
    )


def repeated_in_submission(path: Path, count: int) -> SubmissionError:
    return SubmissionError(f"{path}: {count} uids stand twice; run stage ensemble again")


def no_code(path: Path, variable: str) -> SubmissionError:
    return SubmissionError(
        f"{path}: {variable}: expected codes of the codebook, found other cells; run stage ensemble again"
    )


def missing_decisions(path: Path) -> SubmissionError:
    return SubmissionError(f"{path} is missing; run `dvc repro ensemble`, or pull it: `dvc pull ensemble`")


def no_decisions(path: Path) -> SubmissionError:
    return SubmissionError(f"{path} holds no decisions; make it again with `dvc repro -f ensemble`")


def empty_decisions(path: Path) -> SubmissionError:
    return SubmissionError(f"{path} has empty cells; make it again with `dvc repro -f ensemble`")
