"""A stage's script reads what dvc.yaml lists, no more and no less; what a stopped run leaves is found by the same."""

from collections.abc import Callable

import pytest
from support import inputs, tiny

from abstractor.base.yaml_file import read_yaml

pytestmark = pytest.mark.stage


def test_every_stage_reads_what_dvc_yaml_lists(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    stages = [name for name in read_yaml(project.folder / "dvc.lock")["stages"] if not name.endswith("-1")]
    assert {name.split("@")[0] for name in stages} >= {"prepare", "train_sc_1", "train_ar", "oof_ar", "ensemble"}
    for stage in stages:
        listed, asked = inputs.listed(project, stage), inputs.asked(project, stage)
        assert asked.all == listed, stage
        assert asked.before_kept in (None, listed), stage
