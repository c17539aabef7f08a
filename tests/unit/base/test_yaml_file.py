"""YAML that people write: as DVC writes numbers, no key twice, nothing quoted."""

from pathlib import Path

import pytest

from abstractor.base.yaml_file import read_yaml


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


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("Off", False), ("y", "y"), ("N", "N"), ("010", 8), ("08", "08"), ("1:30", 90)]
)
@pytest.mark.parametrize("start", ["", "---\n", "%YAML 1.2\n---\n"])
def test_reads_the_words_and_numbers_of_yaml_1_1(tmp_path: Path, start: str, text: str, value: object) -> None:
    assert yaml_of(tmp_path, f"{start}a: {text}") == {"a": value}


def test_a_key_may_override_a_merged_one(tmp_path: Path) -> None:
    one, two = {"x": 1, "y": 2}, {"x": 3, "y": 2}
    assert yaml_of(tmp_path, "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n") == {"a": one, "b": two}
    nested = "a: &a {x: 1, y: 2}\nin: {b: &b {<<: *a, x: 3}}\nc: {<<: *b}\n"
    assert yaml_of(tmp_path, nested) == {"a": one, "in": {"b": two}, "c": two}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3", "the key a stands twice"]),
        ("a:\n  x: 1\n  x: 2\n", ["line 3", "the key x stands twice"]),
        ("a: 1\nb: [1\n", ["line 3"]),
        ("a: &x 1\nb: &x 2\n", ["line 2", "an anchor stands twice"]),
        ("b: &b {y: 1}\nc: {<<: *b, x: 1, x: 2}\n", ["line 2", "the key x stands twice"]),
        ("a: 2020-13-45", ["not YAML"]),
        ("values: {1: a, true: b}", ["line 1", "the key true stands twice"]),
        ("values: {1: a, 0x1: b}", ["line 1", "the key 0x1 stands twice"]),
        ("a: !!bool maybe", ["not YAML"]),
        ("a: !!int ''", ["not YAML"]),
        ("a: !!timestamp x", ["line 1", "timestamp"]),
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
        "!!timestamp it's-zebrafinch",
        "*'zebrafinch\"",
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
