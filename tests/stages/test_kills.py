"""The real stages, killed and started again with the same command: they end as if nothing had happened."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support import tiny
from support.tally import Tally

pytestmark = [pytest.mark.stage, pytest.mark.reliability]

KILLS = 20
STAGES = (
    "prepare", "prepare_new", "baseline", "training_set@sc1_minilm", "train_sc_1@sc1_minilm-0",
    "train_sc_2@sc2_minilm-1", "train_ar@ar_smollm2-0", "oof_sc@sc1_minilm-0", "oof_ar@ar_smollm2-1",
    "infer_t4_sc@sc2_minilm-0", "infer_t4_ar@ar_smollm2-0", "infer_t4", "ensemble",
)  # fmt: skip


def again(stage: str) -> list[str]:
    """The command that runs a stage whatever its state."""
    return ["dvc", "repro", "--force", "--single-item", stage]


def killed(project: tiny.Project, stage: str, when: Callable[[], bool], by: signal.Signals) -> bool:
    """Start a stage and kill it, DVC and all, once `when` is true; False if it ended before."""
    process = project.start(*again(stage))
    while not when():
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    os.killpg(process.pid, by)
    process.wait()
    return True


def only_whole(project: tiny.Project, expected: dict[str, bytes]) -> None:
    """What stands under its final name is what an unbroken run makes."""
    for name, content in project.made().items():
        assert content == expected[name], name


def same_end(project: tiny.Project, stage: str, expected: dict[str, bytes]) -> str:
    """Run the stage again, to its end; returns what it printed."""
    only_whole(project, expected)
    project.run(*tiny.make("mend"))  # as `make repro` begins
    printed = project.run(*again(stage))
    assert project.made() == expected
    return printed


@pytest.mark.parametrize("stage", ["train_sc_1@sc1_minilm-0", "train_ar@ar_smollm2-0"])
def test_a_training_goes_on_from_its_checkpoint(
    finished: tiny.Project, copy: Callable[[], tiny.Project], tally: Tally, stage: str
) -> None:
    project, expected = copy(), finished.made()
    scratch = project.folder / ".scratch"
    with tally.trial("kills"):
        assert killed(project, stage, lambda: any(scratch.glob("runs/train/*/*/*/*/whole-*")), signal.SIGKILL)
        assert all(path.stat().st_mode & 0o077 == 0 for path in scratch.rglob("*"))
        assert "going on from step" in same_end(project, stage, expected)
    assert [path for path in scratch.rglob("*") if path.is_file()] == []


def test_a_prediction_goes_on_from_its_last_part(
    finished: tiny.Project, copy: Callable[[], tiny.Project], tally: Tally
) -> None:
    project, expected = copy(), finished.made()
    parts = Path(".scratch/runs/oof/sc1_minilm/0")
    with tally.trial("kills"):
        stage = "oof_sc@sc1_minilm-0"
        assert killed(project, stage, lambda: any(project.folder.glob(f"{parts}/*/1.parquet")), signal.SIGTERM)
        kept = sorted(project.folder.glob(f"{parts}/*/[01].parquet"))
        assert len(kept) == 2
        # What it goes on from is told by planted numbers, those of other cases; then once more from nothing.
        first = pd.read_parquet(kept[0])
        planted = first.assign(uid=first["uid"].to_numpy()[::-1])[::-1].reset_index(drop=True)
        assert not planted.equals(first)
        planted.to_parquet(kept[0], index=False)
        project.run(*again(stage))
        ended = pd.read_parquet(project.folder / "data/predictions/oof/sc1_minilm/0.parquet")
        assert ended[: len(first)].equals(planted)
        project.run(*again(stage))
        assert project.made() == expected


def test_stages_killed_at_random_moments(
    finished: tiny.Project, copy: Callable[[], tiny.Project], tally: Tally
) -> None:
    project, expected, draw = copy(), finished.made(), random.Random(0)
    kills, seconds = KILLS - 3 if tally.thorough else 1, dict[str, float]()
    while kills:
        stage = draw.choice(STAGES)
        if stage not in seconds:
            start = time.monotonic()
            project.run(*again(stage))
            seconds[stage] = time.monotonic() - start
        moment = time.monotonic() + draw.uniform(0, seconds[stage])
        by = draw.choice((signal.SIGTERM, signal.SIGKILL))
        if killed(project, stage, lambda end=moment: time.monotonic() > end, by):
            kills -= 1
            with tally.trial("kills"):
                same_end(project, stage, expected)
    # A kill while DVC writes dvc.lock costs the last stages in it their entries, not their results.
    assert project.ran(*tiny.make("repro")) == []
    assert project.made() == expected
    assert project.run("dvc", "status", "--no-updates").strip() == "Data and pipelines are up to date."
