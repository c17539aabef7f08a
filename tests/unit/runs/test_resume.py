from pathlib import Path

import pytest

from abstractor.base import files
from abstractor.runs import resume


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def stop(*depends: object, note: str) -> None:
    """A run that writes a note and is stopped."""
    with pytest.raises(KeyboardInterrupt), resume.kept("train/m/0", *depends) as folder:
        (folder / "note").write_text(note, encoding="utf-8")
        raise KeyboardInterrupt


def test_the_next_run_finds_what_a_stopped_one_left() -> None:
    stop("same", note="kept")
    with resume.kept("train/m/0", "same") as folder:
        assert (folder / "note").read_text(encoding="utf-8") == "kept"
    assert not list(resume.SCRATCH.rglob("note"))


def test_other_inputs_find_nothing_and_clear_up() -> None:
    stop("old", note="stale")
    with resume.kept("train/m/0", "new") as folder:
        assert list(folder.iterdir()) == []
        assert not list(resume.SCRATCH.rglob("note"))


def test_another_purpose_is_left_alone() -> None:
    stop("same", note="kept")
    with resume.kept("train/m/1", "same"):
        pass
    assert list(resume.SCRATCH.rglob("note"))


def test_only_its_owner_may_look() -> None:
    with resume.kept("train/m/0") as folder:
        assert folder.stat().st_mode & 0o077 == 0


def test_the_key_changes_with_every_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, folder = tmp_path / "table", tmp_path / "model"
    file.write_text("a", encoding="utf-8")
    folder.mkdir()
    (folder / "weights").write_text("a", encoding="utf-8")
    keys = [resume.key(file, folder, 1)]
    assert resume.key(file, folder, 1) == keys[0]
    keys.append(resume.key(file, folder, 2))
    file.write_text("b", encoding="utf-8")
    keys.append(resume.key(file, folder, 2))
    (folder / "weights").write_text("b", encoding="utf-8")
    keys.append(resume.key(file, folder, 2))
    (folder / "weights").rename(folder / "others")
    keys.append(resume.key(file, folder, 2))
    monkeypatch.setattr(resume, "versions", lambda: {"torch": "0"})
    keys.append(resume.key(file, folder, 2))
    monkeypatch.setattr(resume, "version", lambda name: "another")
    keys.append(resume.key(file, folder, 2))
    monkeypatch.setattr(resume.sys.modules["__main__"], "__file__", str(file), raising=False)
    keys.append(resume.key(file, folder, 2))
    monkeypatch.setitem(resume.sys.modules, "abstractor.added", resume.sys.modules["abstractor.base.errors"])
    keys.append(resume.key(file, folder, 2))
    assert len(set(keys)) == len(keys)


def test_a_kill_while_it_is_cleared_up_leaves_nothing_to_go_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else half a checkpoint would be taken for a whole one, again and again."""

    def killed(path: Path) -> None:
        next(path.rglob("note")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt), resume.kept("train/m/0", "same") as folder:
            (folder / "whole").mkdir()
            (folder / "whole/note").write_text("kept", encoding="utf-8")
    with resume.kept("train/m/0", "same") as folder:
        assert list(folder.iterdir()) == []
    assert not list(resume.SCRATCH.rglob("whole"))
