"""Scores beside those of a commit, in 80 columns."""

import json
import subprocess
from pathlib import Path

import pytest
import scores

OLD = {"systems": {"ensemble": {"f1": 0.5}, "baseline": {"f1": 0.25}}, "f1": {"Rare": None, "Note": 0.5, "mean": 0.5}}
NEW = {
    "systems": {"baseline": {"f1": 0.25}, "ensemble": {"f1": 0.625}, "x" * 99: {"f1": 0.125}},
    "interval": {"low": 0.5, "high": 0.75},
    "no_gain": ["Rare"],
    "f1": {"Rare": 0.25, "Note": 0.75, "Other": None, "mean": 0.625},
}


def test_what_changed_stands_beside_what_was() -> None:
    found = [line.split() for line in scores.lines(NEW, OLD, "HEAD~1")]
    assert found[1:4] == [
        ["ensemble", "0.625", "0.5", "+0.125"],
        ["baseline", "0.25", "0.25", "+0"],
        ["x" * scores.NAMES, "0.125", "-"],
    ]
    assert found[4] == ["95", "%", "interval", "of", "the", "ensemble", "0.5", "to", "0.75"]
    assert found[6:] == [
        ["Note", "0.75", "0.5", "+0.25"],
        ["*", "Rare", "0.25", "withheld"],
        ["Other", "withheld", "-"],
    ]


def test_it_fits_80_columns() -> None:
    assert max(map(len, scores.lines(NEW, OLD, "0123456789abcdef" * 3))) <= 80


def test_a_commit_without_scores_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(scores.ScoresError, match="run `make repro`"):
        scores.now()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-qm", "Start", "--allow-empty"], check=True)
    with pytest.raises(scores.ScoresError, match="in the commit HEAD, found none"):
        scores.then("HEAD")

    Path("metrics").mkdir()
    scores.METRICS.write_text(json.dumps(OLD), encoding="utf-8")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "Score"], check=True)
    scores.METRICS.write_text(json.dumps(NEW), encoding="utf-8")
    assert scores.then("HEAD") == OLD and scores.now() == NEW
