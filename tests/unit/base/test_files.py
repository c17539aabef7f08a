"""Stable JSON, and whole files only."""

from pathlib import Path

import pytest

from abstractor.base import files
from abstractor.base.errors import UserError
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
        for name in ("old", "both"):
            (folder / name).touch()

    with replaced(path) as partial:
        partial.mkdir()
        for name in ("both", "new"):
            (partial / name).touch()

    assert sorted(file.name for file in path.iterdir()) == ["both", "new"]
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


def fill(path: Path, name: str = "made") -> None:
    with replaced(path) as partial:
        partial.mkdir()
        (partial / name).touch()


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    volume, link = tmp_path / "volume", tmp_path / "project" / "link"
    (volume / "model").mkdir(parents=True)
    (volume / "table").write_text("old")
    link.parent.mkdir()
    for _ in range(2):
        link.unlink(missing_ok=True)
        link.symlink_to(volume / "model")
        fill(link)
        fill(link)
        assert link.is_symlink() and [each.name for each in (volume / "model").iterdir()] == ["made"]
    link.unlink()
    link.symlink_to(volume / "table")
    with replaced(link) as partial:
        partial.write_text("new")
    assert link.is_symlink() and (volume / "table").read_text() == "new"
    assert sorted(each.name for each in volume.iterdir()) == ["model", "table"]


def test_a_link_into_a_cache_is_replaced_and_the_cache_kept(tmp_path: Path) -> None:
    cached, link = tmp_path / "cached", tmp_path / "link"
    cached.write_text("old")
    cached.chmod(0o444)
    link.symlink_to(cached)
    with replaced(link) as partial:
        partial.write_text("new")
    assert not link.is_symlink() and cached.read_text() == "old" and link.read_text() == "new"


def test_what_is_not_ours_is_refused_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dangling, table, folder = (tmp_path / name for name in ("dangling", "table", "folder"))
    dangling.symlink_to(tmp_path / "unmounted")
    table.write_text("old")
    folder.mkdir()
    (folder / "somebody's").touch()
    with pytest.raises(UserError, match="dangling is a link to something that is not there"):
        fill(dangling)
    with pytest.raises(UserError, match="table: expected a folder or nothing, found a file"):
        fill(table)
    with pytest.raises(UserError, match="folder: expected a file or nothing, found a folder"):
        write_json(folder, {})
    with pytest.raises(UserError, match="folder holds nothing of what is to be written"):
        fill(folder)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder)
    with pytest.raises(UserError, match="folder is a mount point"):
        fill(folder, "somebody's")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["dangling", "folder", "table"]
    assert table.read_text() == "old" and [each.name for each in folder.iterdir()] == ["somebody's"]
