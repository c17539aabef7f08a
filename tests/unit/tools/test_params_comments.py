"""What a parameter means is written once, in its type: comments and schema follow."""

import re
from pathlib import Path
from typing import Any

import params
import pytest
from support import ROOT

from abstractor.base.params import ParamsError, Strict
from abstractor.base.yaml_file import read_yaml
from abstractor.machine.compute import Machine


class Lamp(Strict):
    watts: int
    """Power of the lamp,
    0 and up."""
    colour: str
    """white or red."""


class Changed(Machine):
    threads: int
    """Threads that are used."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for file in (params.PARAMS, params.SCHEMA):
        (tmp_path / file).write_bytes((ROOT / file).read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def schema() -> Any:
    return params.ParamsFile.model_json_schema()


def written(tree: Path) -> list[bytes]:
    files = tree / params.PARAMS, tree / params.SCHEMA
    params.write(*files)
    return [file.read_bytes() for file in files]


def test_comments_and_schema_say_what_the_types_say(tree: Path) -> None:
    assert written(tree) == [(ROOT / file).read_bytes() for file in (params.PARAMS, params.SCHEMA)]


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"    # Passes over the training cases.*\n", ""),
        (r"(?<=  # Bootstrap resamples).*", " or more, I forget"),
        (r"(?=      # none, or a writer)", "      # An older comment.\n"),
        (r"(?<=#       # Rows ).*", "an epoch"),
    ],
    ids=["missing", "wrong", "doubled", "wrong in the example"],
)
def test_a_broken_comment_is_put_right(tree: Path, pattern: str, instead: str) -> None:
    whole = (tree / params.PARAMS).read_text(encoding="utf-8")
    broken = re.sub(pattern, instead, whole, count=1)
    assert broken != whole
    (tree / params.PARAMS).write_text(broken, encoding="utf-8")
    assert written(tree)[0].decode() == whole


def test_a_changed_docstring_is_seen(tree: Path) -> None:
    text = (tree / params.PARAMS).read_text(encoding="utf-8")
    meanings = dict(params.meanings({"train": Changed(device="auto", dtype="auto", threads=2)}))
    assert "  # Threads that are used.\n  threads: 2\n" in params.commented(text, meanings)
    assert Changed.model_json_schema()["properties"]["threads"]["description"] == "Threads that are used."


def test_a_meaning_stands_above_its_key_and_all_else_stays() -> None:
    text = "# Mine.\nseed: 1\n\n# ---- lamps ----\n\nlamps:\n  # A reading lamp.\n  desk:\n    # Old.\n    watts: 5\n"
    text += "    colour: red\n  # Like desk.\n  hall:\n    watts: 7 # bright\n    colour: white\n"
    lamps = {"lamps": {"desk": Lamp(watts=5, colour="red"), "hall": Lamp(watts=7, colour="white")}}
    expected = text.replace("# Old.", "# Power of the\n    # lamp, 0 and\n    # up.")
    expected = expected.replace("    colour: red", "    # white or red.\n    colour: red")
    assert params.commented(text, dict(params.meanings(lamps)), width=20) == expected


def test_these_sections_have_comments() -> None:
    content = params.ParamsFile.model_validate(read_yaml(ROOT / params.PARAMS))
    assert {".".join(path[:-1]) for path in dict(params.meanings(content))} == {
        "backbones.minilm",
        "baseline",
        "copies",
        "correct_labels",
        "demo_corpus",
        "ensemble",
        "infer",
        "make_cases",
        "models.ar_smollm2",
        "models.ar_smollm2.learns",
        "models.ar_smollm2.lora",
        "models.sc1_minilm",
        "models.sc1_minilm.learns",
        "rewrite",
        "train",
        "writers.smollm2",
    }


def test_every_field_of_every_type_has_a_docstring(schema: Any) -> None:
    kinds = schema["$defs"]
    assert {"ArModel", "HubSource", "Learns", "Lora", "MlmParams", "ScModel", "Teacher", "Writer"} < set(kinds)
    fields = {f"{kind}.{name}": field for kind in kinds for name, field in kinds[kind]["properties"].items()}
    assert [name for name, field in fields.items() if not field.get("description")] == []


def test_every_key_is_known_to_the_schema_which_forbids_no_other(schema: Any) -> None:
    assert set(read_yaml(ROOT / params.PARAMS)) == set(schema["properties"])
    assert schema["additionalProperties"] is True


def test_a_value_that_does_not_fit_is_refused_and_nothing_written(tree: Path) -> None:
    text = (tree / params.PARAMS).read_text(encoding="utf-8").replace("resamples: 2000", "resamples: 2")
    (tree / params.PARAMS).write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"(?s)expected values that fit their types.*ensemble\.resamples"):
        written(tree)
    assert (tree / params.PARAMS).read_text(encoding="utf-8") == text
