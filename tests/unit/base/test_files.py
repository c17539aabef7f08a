"""Stable JSON, and whole files only."""

from pathlib import Path

import pytest

from abstractor.base import files
from abstractor.base.files import emptied, replaced, write_json


def test_json_is_sorted_and_ends_with_a_line_end(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"b": 1, "a": "é"})

    assert (tmp_path / "new" / "a.json").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_a_failing_block_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(RuntimeError), replaced(path) as partial:
        partial.write_text("half")
        raise RuntimeError

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_a_folder_and_what_a_killed_run_left(tmp_path: Path) -> None:
    path, left = tmp_path / "model", tmp_path / ".model.partial"
    for folder in (path, left):
        folder.mkdir()
        (folder / "old").touch()

    with replaced(path) as partial:
        partial.mkdir()
        (partial / "new").touch()

    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_while_an_old_folder_goes_leaves_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made"
    for name in ("one", "two"):
        (path / name).mkdir(parents=True)

    def killed(folder: Path) -> None:
        if (folder / "one").is_dir():
            (folder / "one").rmdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt), replaced(path) as partial:
            partial.mkdir()
    assert not path.exists()
    with replaced(path) as partial:
        partial.mkdir()
    assert [each.name for each in tmp_path.iterdir()] == ["made"]


def test_a_scratch_folder_is_empty_at_first_and_gone_at_the_end(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "of a killed run").mkdir(parents=True)
    with pytest.raises(KeyError), emptied(work):
        assert list(work.iterdir()) == []
        (work / "table").touch()
        raise KeyError
    assert not work.exists()
