"""The codebook: what derives from it, and every way to break its rules."""

import re
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

from abstractor.base.messages.codebook import CodebookError
from abstractor.data.cases import codebook

CODEBOOKS = ROOT / "data" / "codebooks"
YOUTH = CODEBOOKS / "nvdrs_youth.yaml"

HEAD = "dataset: tiny\nunit: one death\nnarratives: {Police: police report}\nvariables:\n"
BINARY = '- {name: Note, kind: binary, share: 0.3, definition: "A note was left."}\n'
PLACE = '- {name: Place, kind: categorical, definition: "Where.", values: {3: home, 1: street}}\n'


def load(folder: Path, text: str) -> codebook.Codebook:
    path = folder / "codebook.yaml"
    path.write_text(text, encoding="utf-8")
    return codebook.load(path)


def test_derives_columns_slices_and_questions(tmp_path: Path) -> None:
    book = load(tmp_path, HEAD + BINARY + PLACE)

    assert book.names == ("Note", "Place")
    assert book.columns == ("Note", "Place=3", "Place=1")
    assert book.slices() == {"Note": slice(0, 1), "Place": slice(1, 3)}
    assert book.variables[0].codes == (0, 1)
    assert book.variables[0].question == "A note was left."
    assert book.variables[0].share == 0.3 and book.variables[1].share is None
    assert book.narratives == {"Police": "police report"}


def test_the_youth_codebook_has_the_task_s_shape() -> None:
    book = codebook.load(YOUTH)

    assert [v.kind for v in book.variables].count("binary") == 21
    assert {v.name: len(v.codes) for v in book.variables if v.kind == "categorical"} == {
        "InjuryLocationType": 6,
        "WeaponType1": 12,
    }
    assert len(book.columns) == 39
    assert list(book.narratives) == ["NarrativeLE", "NarrativeCME"]


def test_the_demo_corpus_shares_the_youth_codebook() -> None:
    assert (CODEBOOKS / "demo.yaml").read_bytes() == YOUTH.read_bytes()


@pytest.mark.parametrize("variable", codebook.load(YOUTH).variables, ids=lambda v: v.name)
def test_questions_are_terse(variable: codebook.Variable) -> None:
    # 14 words come to 18 tokens of SmolLM2 at most; every case pays for every token.
    assert variable.question != variable.definition
    assert re.fullmatch(r"[A-Z][A-Za-z ,-]+\?", variable.question)
    assert len(variable.question.split()) <= 14


def test_questions_differ() -> None:
    questions = [v.question for v in codebook.load(YOUTH).variables]

    assert len(set(questions)) == len(questions)


def values(count: int) -> str:
    listed = ", ".join(f"{code}: label" for code in range(count))
    return f'- {{name: Place, kind: categorical, definition: "Where.", values: {{{listed}}}}}\n'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (HEAD + BINARY + BINARY, ["Note", "2 times"]),
        (HEAD + BINARY.replace("Note", "Police"), ["Police", "2 times"]),
        (HEAD + BINARY.replace("Note", "uid"), ["uid", "reserved"]),
        (HEAD + BINARY.replace("Note", "system"), ["system", "reserved"]),
        (HEAD + PLACE.replace("1: street", "03: street"), ["line 5", "03 stands twice"]),
        (HEAD + values(1), ["variable Place", "only one value"]),
        (HEAD + BINARY.replace("share: 0.3", "values: {1: a}"), ["variable Note", "only one value"]),
        (
            HEAD + BINARY.replace("kind: binary", "kind: ordinal"),
            ["variable Note", "unknown kind", "binary or categor"],
        ),
        (HEAD + values(27), ["variable Place", "27 codes", "26"]),
        (HEAD + BINARY.replace("share: 0.3", "values: {1: a, 2: b}"), ["variable Note", "0 and 1"]),
        (HEAD + BINARY.replace("share: 0.3", "share: 1.5"), ["variable Note", "between 0 and 1"]),
        (HEAD + BINARY.replace("share", "shares"), ["variable Note", "unknown key shares"]),
        (HEAD + PLACE.replace("3: home", "x: home"), ["variable Place", "whole numbers"]),
        (HEAD + PLACE.replace("home", "true"), ["variable Place", "quote numbers, true, false"]),
        (HEAD + PLACE.replace("1: street", "3: street"), ["line 5", "3 stands twice"]),
        (HEAD + BINARY.replace("name: Note", "name: a-b"), ["variable 1", "a name is"]),
        (
            HEAD + '- {name: Note, kind: binary, definition: "A.", question: ""}\n',
            ["variable Note", "question must be"],
        ),
        (HEAD + '- {name: Note, kind: binary, definition: ""}\n', ["variable Note", "definition must be"]),
        (HEAD + "- Note\n", ["variable 1", "found str"]),
        (HEAD, ["a list of variables, found none"]),
        (HEAD.replace("{Police: police report}", "{A: a, B: b, C: c}") + BINARY, ["one or two narratives, found 3"]),
        (HEAD.replace("{Police: police report}", "{}") + BINARY, ["narratives must be"]),
        ("version: 2\n" + HEAD + BINARY, ["unknown key version"]),
        (HEAD + BINARY.replace("share: 0.3", "values: null"), ["variable Note", "values must be"]),
        (HEAD + PLACE.replace(", values: {3: home, 1: street}", ""), ["variable Place", "values must be"]),
        (HEAD + BINARY.replace("share: 0.3", "values: {1: a, 0: b}"), ["variable Note", "0 and 1, in this order"]),
        (HEAD.replace("unit: one death", "unit: 1"), ["unit must be a text", "\n", "a list of variables, found none"]),
        ("just a text", ["found str"]),
        ("a: [", ["line 1"]),
    ],
)
def test_refuses(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(CodebookError) as caught:
        load(tmp_path, text)

    for part in ["codebook.yaml", *parts]:
        assert part in str(caught.value)


def test_accepts_26_codes(tmp_path: Path) -> None:
    assert len(load(tmp_path, HEAD + values(26)).variables[0].codes) == 26


def test_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match=r"cannot be read \(IsADirectoryError\)"):
        codebook.load(tmp_path)


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match=r"none\.yaml is missing"):
        codebook.load(tmp_path / "none.yaml")


def test_a_file_that_is_no_codebook_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(CodebookError) as caught:
        load(tmp_path, "the zebrafinch of the report: text\n")

    assert "zebrafinch" not in str(caught.value)
    assert "unknown key number 1" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        HEAD.replace("Police: police report", "the zebrafinch: 1") + BINARY,
        HEAD + BINARY.replace("Note", "the zebrafinch"),
        HEAD + BINARY.replace("binary", "zebrafinch"),
        HEAD + BINARY.replace("share: 0.3", "the zebrafinch: 1"),
        HEAD + BINARY.replace("share: 0.3", "share: zebrafinch"),
        HEAD + BINARY.replace("share: 0.3", "values: {the zebrafinch: 1, zebrafinch: 2}"),
        HEAD + "- {name: Note, kind: binary, definition: [zebrafinch], question: {zebrafinch: 1}}\n",
    ],
)
def test_no_value_of_the_file_is_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(CodebookError) as caught:
        load(tmp_path, text)

    assert "zebrafinch" not in str(caught.value)


def test_every_code_has_a_probability(tmp_path: Path) -> None:
    note, place = load(tmp_path, HEAD + BINARY + PLACE).variables

    assert note.by_code(np.array([[0.25], [1.0]])).tolist() == [[0.75, 0.25], [0.0, 1.0]]
    assert place.by_code(np.array([[0.5, 0.5]])).tolist() == [[0.5, 0.5]]
