"""Small files: YAML as DVC writes it, stable JSON, whole files only."""

from pathlib import Path

import pytest

from abstractor.base import files
from abstractor.base.files import emptied, read_yaml, replaced, write_json


def yaml_of(folder: Path, text: str) -> object:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


def bomb(level: str) -> str:
    """Nine lines that stand for 8 ** 8 values: each alias for eight of the one before."""
    lines = [f"a{n}: &a{n} {level.format(f'*a{n - 1}')}" for n in range(1, 9)]
    return "\n".join(["a0: &a0 {x: 1}", *lines])


@pytest.mark.parametrize("text", ["5e-5", "5E-5", "+5e-05", "0.00005", "5.e-5"])
def test_reads_floats_as_dvc_writes_them(tmp_path: Path, text: str) -> None:
    assert yaml_of(tmp_path, f"rate: {text}") == {"rate": 5e-5}


def test_a_key_may_override_a_merged_one(tmp_path: Path) -> None:
    assert yaml_of(tmp_path, "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3", "the key a stands twice"]),
        ("a:\n  x: 1\n  x: 2\n", ["line 3", "the key x stands twice"]),
        ("a: 1\nb: [1\n", ["line 3"]),
        ("a: 2020-13-45", ["not YAML"]),
        ("values: {1: a, true: b}", ["line 1", "the key true stands twice"]),
        ("values: {1: a, 0x1: b}", ["line 1", "the key 0x1 stands twice"]),
        ("a: !!bool maybe", ["not YAML"]),
        ("a: !!int ''", ["not YAML"]),
        ("a: !!timestamp x", ["not YAML"]),
        ("a: 1" + ":1" * 400 + ".5", ["not YAML"]),
        ("a: 0x" + "f" * 9000, ["line 1", "more than 63 bits"]),
        ("a: " + "9" * 400, ["line 1", "more than 63 bits"]),
        ('a: 1\nb: "\\ud83d"', ["line 2", "half a character"]),
        ("[" * 20_000, ["nested too deeply"]),
        ("a: &a [*a]", ["stand for too much, or for themselves"]),
        ("&a {<<: *a}", ["stand for too much, or for themselves"]),
        (bomb("[{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]"), ["stand for too much"]),
        (bomb("{{<<: [{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]}}"), ["stand for too much"]),
        ("#" * 2**20 + "\n", ["larger than 1048576 bytes"]),
        ("a: \x01", ["not YAML"]),
    ],
)
def test_refuses_what_is_not_yaml(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        yaml_of(tmp_path, text)

    for part in ["file.yaml", *parts]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "zebrafinch: [",
        "*zebrafinch",
        "!zebrafinch x",
        "!it's-zebrafinch x",
        "a zebrafinch: 1\na zebrafinch: 2\n",
        "&zebrafinch 1: &zebrafinch 2",
    ],
)
def test_quotes_no_text_of_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        yaml_of(tmp_path, text)

    assert "zebrafinch" not in str(caught.value)


def test_refuses_other_encodings(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_bytes("a: é".encode("latin-1"))

    with pytest.raises(ValueError, match=r"not UTF-8 \(byte 3\)"):
        read_yaml(tmp_path / "file.yaml")


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
