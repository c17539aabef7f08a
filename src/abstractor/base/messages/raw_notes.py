"""Of raw corpus files: what was not taken as it stands, and what is odd. No text quotes a cell."""

from pathlib import Path


def renamed(path: Path, column: int, name: str) -> str:
    return f"{path}: column {column} is taken for {name}"


def nameless(path: Path, count: int) -> str:
    return f"{path}: {count} columns without a name, empty or a count of the rows, are left out"


def left_out(path: Path, blank: int, repeated: int) -> str:
    return f"{path}: {blank} blank rows and {repeated} repeated headers are left out"


def whole_uids(path: Path) -> str:
    return f"{path}: every uid ends with .0, as pandas writes numbers where one was missing; taken as whole numbers"


def marks(path: Path, name: str, found: dict[str, int]) -> str:
    shown = {mark if mark.isprintable() else ascii(mark): count for mark, count in sorted(found.items())}
    listed = ", ".join(f"{count} cells of {name} hold {mark}" for mark, count in shown.items())
    return f"{path}: {listed} and count as empty"


def copies(within: int, count: int, where: str) -> str:
    return f"{count} of {within} {where} cases have the same text as an earlier one"


def copies_across(count: int) -> str:
    return f"{count} new cases have the same text as training cases; they are left out of the score of `evaluate`"


def labels_kept(count: int) -> str:
    return f"{count} new cases keep the labels that the former ones of the same uids had"


def labels_saved(path: Path, cases: int | None = None) -> str:
    which = f"those of {cases} cases are not among the new ones'" if cases else "they are of another codebook"
    return f"former labels are left out, since {which}; all of them stand in {path}"


def codebook_saved(path: Path) -> str:
    return f"the former codebook was another; it stands in {path}"
