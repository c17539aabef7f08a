"""YAML that people write: as DVC writes numbers, no key twice, nothing quoted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from abstractor.base.yaml_file import read_yaml


def yaml_of(folder: Path, text: str) -> Any:
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


WRITTEN = {
    "010": 10, "-08": -8, "0777": 777, "0o17": 15, "0x1F": 31, "0b101": 5, "1_000": 1000, "+5": 5,
    ".5": 0.5, "-.5": -0.5, "1.": 1.0, "1e5": 1e5, "1_0.5": 10.5, ".inf": float("inf"),
    "1:30": "1:30", "12:30:45": "12:30:45", "190:20:30.15": "190:20:30.15", "1,000": "1,000",
    "yes": "yes", "No": "No", "on": "on", "OFF": "OFF", "y": "y", "N": "N", "true": True, "False": False,
    "2024-01-01": "2024-01-01", "2020-13-45": "2020-13-45", "2024-01-01 10:00:00": "2024-01-01 10:00:00",
    "~": None, "null": None, "": None, "!!timestamp x": "x",
}  # fmt: skip
"""What people write, and what they mean by it."""


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("start", ["", "---\n", "%YAML 1.2\n---\n"])
def test_reads_words_and_numbers_as_they_are_meant(tmp_path: Path, start: str, text: str) -> None:
    found = yaml_of(tmp_path, f"{start}a: {text}")

    assert found == {"a": WRITTEN[text]} and type(found["a"]) is type(WRITTEN[text])


def test_codes_are_read_as_they_are_meant(tmp_path: Path) -> None:
    assert yaml_of(tmp_path, "{0: no, 1: yes, 08: on}") == {0: "no", 1: "yes", 8: "on"}


@given(
    st.from_regex(r"[-+]?[0-9_.:eExob]{1,8}", fullmatch=True)
    | st.sampled_from(["yes", "no", "on", "Off", "y", "N", "true", "TRUE", "null", "~", "NULL", "TrUe"])
)
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@pytest.mark.parametrize("version", ["", "%YAML 1.1\n---\n"])
def test_dvc_reads_the_same(tmp_path_factory: pytest.TempPathFactory, version: str, text: str) -> None:
    def read(reader: Callable[[], Any]) -> object:
        try:
            value = reader()["a"]
        except (ValueError, ArithmeticError, LookupError, YAMLFileCorruptedError):
            return "refused"
        return repr(value)

    path = tmp_path_factory.getbasetemp() / "file.yaml"
    path.write_text(f"{version}a: {text}\n", encoding="utf-8")
    assert read(lambda: read_yaml(path)) == read(lambda: parse_yaml(path.read_text(), str(path)))


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
        ("values: {1: a, true: b}", ["line 1", "the key true stands twice"]),
        ("values: {1: a, 0x1: b}", ["line 1", "the key 0x1 stands twice"]),
        ("a: !!bool maybe", ["not YAML"]),
        ("a: !!int ''", ["not YAML"]),
        ("%YAML 1.1\n---\na: 1" + ":1" * 400 + ".5", ["not YAML"]),
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
        "!!float it's-zebrafinch",
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
