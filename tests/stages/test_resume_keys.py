"""No stage goes on with what a run of other inputs left: all that it declares is in the key."""

import pytest
from support import resuming, tiny

pytestmark = pytest.mark.stage

AFTERWARDS = {"data/prepared/labels.parquet", "seed", "smallest_count"}
"""Of out-of-fold predictions: what only their score needs."""


@pytest.mark.parametrize(
    ("stage", "without"),
    [
        ("train_sc_1@sc1_minilm-0", set()),
        ("train_sc_2@sc2_minilm-1", set()),
        ("train_ar@ar_smollm2-0", set()),
        ("oof_sc@sc1_minilm-0", AFTERWARDS),
        ("oof_ar@ar_smollm2-0", AFTERWARDS),
        ("infer_t4_sc@sc1_minilm-0", set()),
        ("infer_t4_ar@ar_smollm2-0", set()),
    ],
)
def test_the_key_holds_what_the_stage_declares(finished: tiny.Project, stage: str, without: set[str]) -> None:
    assert resuming.unkeyed(finished, stage) == without
