"""params.yaml: unknown keys and values out of range are refused by name."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from abstractor.base.params import Params, ParamsError, Strict


class Inner(Strict):
    rank: Annotated[int, Field(ge=1)] = 8


class Section(Strict):
    rate: Annotated[float, Field(gt=0, lt=1)]
    inner: Inner = Inner()


PIPELINE = """
stages:
  one: {cmd: x, params: [seed, section.rate]}
  two: {matrix: {model: "${members}"}, cmd: x, params: ["models.${item.model}"]}
  three: {foreach: [1], do: {cmd: x, params: [corpus]}}
"""


def params(folder: Path, text: str) -> Params:
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    return Params(folder / "params.yaml", folder / "dvc.yaml")


def test_gives_checked_values(tmp_path: Path) -> None:
    found = params(tmp_path, "seed: 3\nsection: {rate: 5e-5, inner: {rank: 4}}\nmodels: {a: {rank: 2}}\nmembers: [a]\n")

    assert found.get("seed", int) == 3
    assert found.get("section", Section) == Section(rate=5e-5, inner=Inner(rank=4))
    assert found.get("models.a", Inner).rank == 2
    assert found.get("members", list[str]) == ["a"]


@pytest.mark.parametrize("name", ["seed", "section", "members", "models", "corpus"])
def test_knows_what_the_pipeline_reads(tmp_path: Path, name: str) -> None:
    params(tmp_path, f"{name}: 1\n")


@pytest.mark.parametrize(
    ("text", "key", "kind", "parts"),
    [
        ("sede: 3", "seed", int, ["unknown key 'sede'", "did you mean 'seed'"]),
        ("section: {rate: 0.5, rat: 1}", "section", Section, ["unknown key section.rat", "did you mean 'rate'"]),
        ("section: {rate: 0.5, inner: {rnk: 1}}", "section", Section, ["unknown key section.inner.rnk"]),
        ("section: {rate: 1.5}", "section", Section, ["section.rate", "less than 1", "found 1.5"]),
        ("section: {rate: 0.5, inner: {rank: 0}}", "section", Section, ["section.inner.rank", "found 0"]),
        ("section: {rate: fast}", "section", Section, ["section.rate", "found 'fast'"]),
        ("section: {inner: {rank: 1}}", "section", Section, ["section.rate is missing"]),
        ("models: {abc: {}}", "models.abd", Inner, ["models.abd is missing", "did you mean 'abc'"]),
        ("seed: 3", "corpus", str, ["corpus is missing"]),
        ('seed: "3"', "seed", int, ["seed", "found '3'"]),
        ("seed: 3.0", "seed", int, ["seed", "found 3.0"]),
        ("seed: true", "seed", int, ["seed", "found True"]),
        ("seed: yes", "seed", int, ["seed", "found 'yes'"]),
        ("seed: 1:30", "seed", int, ["seed", "found '1:30'"]),
        ("seed: yes", "seed", bool, ["seed", "expected true or false, found 'yes'"]),
        ("- seed", "seed", int, ["found list"]),
        ("seed: " + "a" * 9000, "seed", int, ["found 'aaa", "(9002 characters)"]),
        ("section: {rate: .nan}", "section", Section, ["section.rate", "found nan"]),
        ("section: {rate: .inf}", "section", Section, ["section.rate", "found inf"]),
        ("seed: 1\nseed: 2", "seed", int, ["line 2", "seed stands twice"]),
    ],
)
def test_refuses(tmp_path: Path, text: str, key: str, kind: Any, parts: list[str]) -> None:
    with pytest.raises(ParamsError) as caught:
        params(tmp_path, text).get(key, kind)

    for part in ["params.yaml", *parts]:
        assert part in str(caught.value)


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run from the folder"):
        Params(tmp_path / "params.yaml", tmp_path / "dvc.yaml")


def test_a_message_is_short_however_much_is_wrong(tmp_path: Path) -> None:
    wrong = ", ".join(f"x{number}: 1" for number in range(2_000))
    with pytest.raises(ParamsError) as caught:
        params(tmp_path, f"section: {{{wrong}}}").get("section", Section)

    assert str(caught.value).count("\n") == 9


@pytest.mark.parametrize("text", ["stages: {one: 1}", "stages: []", "stages: {one: {params: 1}}", "[", "stages: 1"])
def test_refuses_a_broken_pipeline(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "dvc.yaml").write_text(text)

    with pytest.raises(ParamsError, match="restore it from git"):
        Params(tmp_path / "params.yaml", tmp_path / "dvc.yaml")


def test_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"cannot be read \(IsADirectoryError\)"):
        Params(tmp_path, tmp_path / "dvc.yaml")


def test_refuses_a_missing_pipeline(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n")

    with pytest.raises(ParamsError, match="restore it from git"):
        Params(tmp_path / "params.yaml", tmp_path / "dvc.yaml")
