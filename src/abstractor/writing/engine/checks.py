"""What a written text must pass, and the count of what did not."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

Reason = Literal["malformed", "truncated", "too_short", "near_copy"]
REASONS: tuple[Reason, ...] = ("malformed", "truncated", "too_short", "near_copy")

BROKEN = "\ufffd"
"""Stands in a text for a special token, as it does for bytes that are no character."""

RUN = 5
"""Words of a run that is looked for in a source."""


def words(text: str) -> list[str]:
    """The words of a text in lower case, punctuation aside."""
    return re.findall(r"\w+", text.lower())


def is_plain(text: str) -> bool:
    """Whether a text holds nothing but characters to read, spaces, tabs and line ends."""
    return BROKEN not in text and all(unicodedata.category(c)[0] != "C" for c in text if c not in "\n\t")


def copied_share(texts: Sequence[str], sources: Sequence[Sequence[str]]) -> float:
    """Largest share of the runs of five words of `texts` that stand in any one source; a run ends with its text.

    Args:
        texts: the reports of a written case.
        sources: the reports of each case that may have been copied.

    Returns:
        0 (nothing copied, or no text has five words) to 1.
    """
    written = [run for text in texts for run in _runs(text)]
    found = ({run for text in source for run in _runs(text)} for source in sources)
    return max((sum(run in known for run in written) / max(len(written), 1) for known in found), default=0.0)


def tally(verdicts: Sequence[Reason | None]) -> dict[str, Any]:
    """Counts of a stage's metrics; None stands for what was kept."""
    dropped = {reason: verdicts.count(reason) for reason in REASONS}
    return {"asked": len(verdicts), "kept": verdicts.count(None), "dropped": dropped}


def _runs(text: str) -> list[tuple[str, ...]]:
    found = words(text)
    return [tuple(found[start : start + RUN]) for start in range(len(found) - RUN + 1)]
