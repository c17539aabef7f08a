"""Narrative text stays in data/ and in DVC's cache: marker words are planted and looked for everywhere else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support import tally, tiny

pytestmark = pytest.mark.stage


def test_markers_are_where_they_belong(finished: tiny.Project) -> None:
    """Else the search below would find nothing for the wrong reason."""
    found = {path.relative_to(finished.folder) for path in tiny.holders(finished.folder / "data")}
    assert {Path("data/prepared/cases.parquet"), Path("data/prepared/new_cases.parquet")} <= found
    assert Path("data/raw/marked/train_features.csv") in found
    assert tiny.holders(finished.folder / ".dvc/cache")


@pytest.mark.reliability
def test_markers_are_nowhere_else(finished: tiny.Project, tally: tally.Tally) -> None:
    found = tiny.outside(finished)
    tally.markers_found = len(found)
    assert found == set()
    for place in ("home", "tmp", "site", "project/metrics/cards", "project/models/ar_smollm2", "project/.dvc/tmp"):
        assert (finished.folder.parent / place).is_dir(), place  # was looked into


@pytest.mark.parametrize("place", ["home/log", "tmp/left", "project/.dvc/tmp/left", "project/metrics/cards/left"])
def test_a_marker_elsewhere_would_be_found(copy: Callable[[], tiny.Project], place: str) -> None:
    project = copy()
    assert tiny.outside(project) == set()
    path = project.folder.parent / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"quoted: {tiny.MARKERS[1]}", encoding="utf-8")
    assert tiny.outside(project) == {path}


def test_no_log_holds_a_marker(finished: tiny.Project) -> None:
    assert "Running stage" in finished.log
    assert not any(marker in finished.log for marker in tiny.MARKERS)


def test_git_holds_no_marker(finished: tiny.Project) -> None:
    commits = finished.run("git", "rev-list", "--all").split()
    for marker in tiny.MARKERS:
        assert finished.run("git", "grep", "-l", marker, *commits, check=False) == ""
    assert "metrics/ensemble.json" in finished.run("git", "ls-files")


def test_case_files_are_readable_by_their_owner_only(finished: tiny.Project) -> None:
    for path in tiny.holders(finished.folder / "data"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_plots_hold_no_marker(finished: tiny.Project, tmp_path: Path) -> None:
    finished.run("dvc", "plots", "show", "-o", str(tmp_path / "plots"))
    assert tiny.holders(tmp_path) == set()
    assert (tmp_path / "plots/index.html").exists()


def test_an_unexpected_error_shows_no_case_text(finished: tiny.Project) -> None:
    script = (
        "import sys\nsys.path[0] = 'src'\n"
        "from abstractor.base.script import run_script\n"
        f"def main(): raise KeyError('the report says {tiny.MARKERS[0]}')\n"
        "run_script(main)\n"
    )
    printed = finished.run("python", "-c", script, check=False)
    assert "KeyError" in printed
    assert tiny.MARKERS[0] not in printed


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def scratched(content: bytes) -> bytes:
    """With some bytes in the midst of the first column changed."""
    return content[:60] + bytes(255 - byte for byte in content[60:100]) + content[100:]


def swapped(old: str, new: str) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old.encode(), new.encode(), 1)


RAW, TRAINING = "data/raw/marked", "data/training"
FAILURES: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a report where a code should be": (f"{RAW}/train_labels.csv", swapped(",1,", f",{tiny.MARKERS[0]},"), "prepare"),
    "a quote that is never closed": (f"{RAW}/train_features.csv", swapped(tiny.MARKERS[0], '"'), "prepare"),
    "a table cut short": ("data/prepared/cases.parquet", cut, "baseline"),
    "a report in the place of a uid": (
        f"{RAW}/test_features.csv",
        swapped("\ndemo", f"\n{tiny.MARKERS[0]}\n"),
        "prepare_new",
    ),
    "a report in the header": (f"{RAW}/test_features.csv", swapped("NarrativeLE", tiny.MARKERS[0]), "prepare_new"),
    "a byte of another encoding": (
        f"{RAW}/test_features.csv",
        lambda content: content.replace(b"e", b"\xe9"),
        "prepare_new",
    ),
    "a scratched table": ("data/prepared/cases.parquet", scratched, "baseline"),
    "a training set cut short": (f"{TRAINING}/ar_smollm2/0.parquet", cut, "train_ar ar_smollm2 0"),
    "a scratched training set": (f"{TRAINING}/sc1_minilm/0.parquet", scratched, "train_sc concatenated sc1_minilm 0"),
    "new cases cut short": ("data/prepared/new_cases.parquet", cut, "infer_t4_fold ar ar_smollm2 0"),
}
"""What is wrong: the file, what happens to it, the stage that meets it."""


@pytest.mark.reliability
def test_a_stage_that_fails_prints_no_marker_and_leaves_none(
    copy: Callable[[], tiny.Project], tally: tally.Tally
) -> None:
    project = copy()
    for name, (file, damage, stage) in list(FAILURES.items())[: None if tally.thorough else 4]:
        with tally.trial("faults"):
            path = project.folder / file
            before = path.read_bytes()
            path.write_bytes(damage(before))
            assert path.read_bytes() != before, name
            script, *arguments = stage.split()
            printed = project.run("python", f"stages/{script}.py", *arguments, check=False)
            path.write_bytes(before)
            assert "error: " in printed, name
            assert not any(marker in printed for marker in tiny.MARKERS), name
            assert tiny.outside(project) == set(), name


WRITERS = (
    "python stages/prepare.py",
    "python stages/training_set.py ar_smollm2",
    "python stages/prepare_new.py",
    "python stages/import_corpus.py marked tiny/corpus",
)
"""Commands that write cases."""


def half_written(project: tiny.Project) -> list[Path]:
    """Files that were about to take a place in data/, or lie in a folder that was."""
    return [path for path in (project.folder / "data").rglob("*") if ".partial" in str(path) and path.is_file()]


@pytest.mark.reliability
def test_a_stage_that_is_killed_leaves_text_where_it_belongs(
    copy: Callable[[], tiny.Project], tally: tally.Tally
) -> None:
    """It dies when what it wrote is about to take its place."""
    project = copy()
    project.umask = 0o022
    for command in WRITERS[: None if tally.thorough else 2]:
        with tally.trial("kills"):
            project.environment["WATCH_KILL"] = "1"
            project.run(*command.split(), check=False)
            left = half_written(project)
            assert any(map(tiny.words_in, left)), command
            assert all(path.stat().st_mode & 0o077 == 0 for path in left), command
            assert tiny.outside(project) == set(), command
            del project.environment["WATCH_KILL"]
            project.run(*command.split())
            assert half_written(project) == [], command
