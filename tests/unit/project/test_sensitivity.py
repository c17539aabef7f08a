"""Every output of the pipeline is labelled, and what is confidential has nowhere to go by default."""

import configparser
import re
from fnmatch import fnmatch
from typing import Any, NamedTuple

import pytest
from support import ROOT

from abstractor.base.yaml_file import read_yaml

TRUSTED = "trusted-${trusted_remote}"


class Output(NamedTuple):
    """One entry under outs, metrics or plots of a stage."""

    stage: str
    path: str
    options: dict[str, Any]


def outputs() -> list[Output]:
    found = []
    for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        body = stage.get("do", stage)
        for entry in [entry for kind in ("outs", "metrics", "plots") for entry in body.get(kind, [])]:
            path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
            found.append(Output(name, path, options))
    return found


OUTPUTS = outputs()


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: f"{output.stage}:{output.path}")
def test_every_output_is_labelled(output: Output) -> None:
    assert output.options.get("meta") in ({"sensitivity": "confidential"}, {"sensitivity": "releasable"})


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: f"{output.stage}:{output.path}")
def test_what_is_confidential_goes_nowhere_or_to_the_trusted_remote(output: Output) -> None:
    places = {key: value for key, value in output.options.items() if key in ("push", "remote", "cache")}
    if output.options["meta"]["sensitivity"] == "confidential":
        assert places in ({"push": False}, {"remote": TRUSTED})
    else:
        in_git = output.path.startswith("metrics/") and not output.path.startswith("metrics/cards/")
        assert places == ({"cache": False} if in_git else {})


def test_narratives_and_labels_are_never_pushed() -> None:
    held = [output for output in OUTPUTS if re.match(r"data/(raw|training|lessons|prepared)/", output.path)]
    assert len(held) > 10
    for output in held:
        assert output.path.endswith("folds.parquet") or output.options["push"] is False, output.path


def test_only_public_weights_their_hashes_and_metrics_are_releasable() -> None:
    found = {(out.stage, out.path) for out in OUTPUTS if out.options["meta"]["sensitivity"] == "releasable"}
    assert {(stage, path) for stage, path in found if not path.startswith("metrics/")} == {
        ("fetch_backbone", "models/backbones/${key}"),
        ("pin_backbone", "models/${key}/backbone.json"),
        ("pin_writer", "models/writers/${key}.json"),
    }


def test_whatever_writes_metrics_or_scores_withholds_small_counts() -> None:
    stages = {name: stage.get("do", stage) for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items()}
    writing = {name for name, stage in stages.items() if "metrics" in stage}
    assert {
        "ensemble",
        "evaluate",
        "find_copies",
        "correct_labels",
        "rewrite",
        "make_cases",
    } == writing
    for name in writing:
        assert "smallest_count" in stages[name]["params"], name
        scores = "src/abstractor/scoring/scores"
        assert {scores, f"{scores}/small_counts.py"} & {*stages[name]["deps"]}, name


def test_no_remote_is_trusted_by_default() -> None:
    assert read_yaml(ROOT / "params.yaml")["trusted_remote"] == "none"
    config = configparser.ConfigParser(delimiters=("=",))
    config.read_string("\n".join(map(str.strip, (ROOT / ".dvc/config").read_text(encoding="utf-8").splitlines())))
    assert [section for section in config.sections() if "remote" in section] == ["'remote \"trusted-none\"'"]
    assert config["'remote \"trusted-none\"'"]["url"].startswith("/dev/null/")


def test_the_table_of_the_documentation_holds_every_output() -> None:
    text = (ROOT / "docs/evidence/sensitivity.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (\w+) \| (.+?) \|", text, re.MULTILINE)
    goes = {"push": "nowhere", "remote": "trusted remote", "cache": "git"}
    unused = {pattern for pattern, _, _ in rows}
    for output in OUTPUTS:
        place = next((goes[key] for key in goes if key in output.options), "any remote")
        row = (output.options["meta"]["sensitivity"], place)
        matching = {
            pattern
            for pattern, *rest in rows
            if fnmatch(output.path, re.sub(r"<\w+>", "*", pattern)) and row == (*rest,)
        }
        assert matching, output
        unused -= matching
    assert unused == set()
