"""Narrative text stays in data/ and in DVC's cache: marker words are planted and looked for everywhere else."""

from pathlib import Path

import pytest
import tiny

pytestmark = pytest.mark.stage


def holders(folder: Path) -> set[Path]:
    """Files below a folder that hold a marker."""
    return {path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and tiny.words_in(path)}


def test_markers_are_where_they_belong(finished: tiny.Project) -> None:
    """Else the search below would find nothing for the wrong reason."""
    found = {path.relative_to(finished.folder) for path in holders(finished.folder / "data")}
    assert {Path("data/prepared/cases.parquet"), Path("data/prepared/new_cases.parquet")} <= found
    assert Path("data/raw/marked/train_features.csv") in found
    assert holders(finished.folder / ".dvc/cache")


def test_markers_are_nowhere_else(finished: tiny.Project) -> None:
    allowed = [finished.folder / "data", finished.folder / ".dvc/cache", finished.folder / "tiny"]
    everywhere = holders(finished.folder.parent)
    assert {path for path in everywhere if not any(path.is_relative_to(place) for place in allowed)} == set()


def test_no_log_holds_a_marker(finished: tiny.Project) -> None:
    assert "Running stage" in finished.log
    assert not any(marker in finished.log for marker in tiny.MARKERS)


def test_git_holds_no_marker(finished: tiny.Project) -> None:
    commits = finished.run("git", "rev-list", "--all").split()
    for marker in tiny.MARKERS:
        assert finished.run("git", "grep", "-l", marker, *commits, check=False) == ""
    assert "metrics/ensemble.json" in finished.run("git", "ls-files")


def test_case_files_are_readable_by_their_owner_only(finished: tiny.Project) -> None:
    for path in holders(finished.folder / "data"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_plots_hold_no_marker(finished: tiny.Project, tmp_path: Path) -> None:
    finished.run("dvc", "plots", "show", "-o", str(tmp_path / "plots"))
    assert holders(tmp_path) == set()
    assert (tmp_path / "plots/index.html").exists()


def test_an_unexpected_error_shows_no_case_text(finished: tiny.Project) -> None:
    script = (
        "from abstractor.errors import run_script\n"
        f"def main(): raise KeyError('the report says {tiny.MARKERS[0]}')\n"
        "run_script(main)\n"
    )
    printed = finished.run("python", "-c", script, check=False)
    assert "KeyError" in printed
    assert tiny.MARKERS[0] not in printed
