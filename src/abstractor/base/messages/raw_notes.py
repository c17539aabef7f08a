"""Of raw corpus files: what was not taken as it stands, and what is odd. No text quotes a cell."""

from pathlib import Path


def renamed(path: Path, column: int, name: str) -> str:
    return f"{path}: column {column} is taken for {name}"


def nameless(path: Path, count: int) -> str:
    return f"{path}: {count} columns without a name, empty or a count of the rows, are left out"


def reserved(path: Path, column: str, name: str) -> str:
    return f"{path}: column {column} is named {name} in the draft, since {column} is reserved"


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
    return f"{count} new cases keep the labels that the former ones of the same uids and texts had"


def labels_saved(path: Path, cases: int | None = None) -> str:
    which = f"of {cases} cases " if cases else ""
    return (
        f"former labels {which}are left out: the case, its text or the codebook is another, or the new labels do not "
        f"code it; all of them stand in {path}"
    )


def codebook_kept(path: Path) -> str:
    return f"no codebook.yaml came along; {path} is used as it is"


def codes_left_out(path: Path, count: int) -> str:
    return f"{path}: {count} columns of codes are left out; labels of new cases come as test_labels (`make corpus`)"


def uids_alike(count: int) -> str:
    return (
        f"{count} new cases have the uid of a training case but for capitals, zeros at its start or .0 at its end; if "
        "they are the same cases, take them out of one of the two"
    )


def codebook_saved(path: Path) -> str:
    return f"the former codebook was another; it stands in {path}"
