"""Whether an answer becomes a written case."""

from collections.abc import Sequence

from abstractor.writing.engine.checks import Reason, copied_share, is_plain, words
from abstractor.writing.engine.prompts import Task
from abstractor.writing.engine.tokens import Written


def judge(
    task: Task, answer: Written, sources: Sequence[Sequence[str]], least_words: float, most_copied: float
) -> tuple[Reason | None, list[str]]:
    """Look for a reason to drop an answer.

    Args:
        task: gives the form of the answer.
        answer: of a writer.
        sources: the reports of each case that may have been copied.
        least_words: that every report must have.
        most_copied: largest share of runs of words that may stand in one source.

    Returns:
        The first reason and no reports, or None and the reports.
    """
    if not answer.ended:
        return "truncated", []
    reports = task.read(answer.text)
    if reports is None or not is_plain(answer.text):
        return "malformed", []
    if min(len(words(report)) for report in reports) < least_words:
        return "too_short", []
    if copied_share(reports, sources) > most_copied:
        return "near_copy", []
    return None, reports
