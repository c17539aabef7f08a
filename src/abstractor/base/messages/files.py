"""Of files and folders that are not ours to replace."""

from pathlib import Path

from abstractor.base.errors import RunError


def link_to_nothing(path: Path) -> RunError:
    return RunError(f"{path} is a link to something that is not there; mount what it leads to, or remove the link")


def mount_point(path: Path) -> RunError:
    return RunError(
        f"{path} is a mount point, which no new folder can take the place of; mount it elsewhere, make a folder in it "
        f"and {path} a link to that"
    )


def other_kind(path: Path, folder: bool) -> RunError:
    expected, found = ("a folder", "a file") if folder else ("a file", "a folder")
    return RunError(f"{path}: expected {expected} or nothing, found {found}; move it elsewhere")


def foreign_folder(path: Path) -> RunError:
    return RunError(
        f"{path} holds nothing of what is to be written in its place, so it may be somebody's; move it elsewhere"
    )
