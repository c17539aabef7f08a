"""Combinations of parameters that are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from abstractor.training.ar.settings import ArModel

GOOD: dict[str, Any] = {
    "backbone": "small",
    "seed": 0,
    "layout": "packed",
    "engine": "transformers",
    "quantize": "none",
    "attention": "auto",
    "system": "none",
    "max_tokens": 600,
    "lora": {"rank": 8, "alpha": 16, "dropout": 0.05, "targets": ["q_proj", "lm_head"]},
    "learns": {"labels": "coded", "rewrites": "none", "made": 1},
    "swap": 0.5,
    "rewrite": 0.0,
    "made_ratio": 1.0,
    "made_epochs": None,
    "train_cases": None,
    "epochs": 2,
    "least_steps": 0,
    "batch_size": 4,
    "micro_tokens": 1000,
    "pool": 4,
    "learning_rate": 2e-4,
    "warmup": 0.1,
    "weight_decay": 0.0,
    "clip": 1.0,
    "ema": 0.0,
    "dropout_from": 0.0,
    "early_stopping": 0,
    "gradient_checkpointing": False,
    "optimizer": "adamw",
    "restarts": 2,
}


def test_a_model_has_no_rdrop_of_its_own_unless_asked() -> None:
    assert ArModel(**GOOD).rdrop == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engine": "unsloth"}, "cannot train packed questions"),
        ({"engine": "unsloth", "layout": "separate"}, "all of lm_head"),
        ({"micro_tokens": 0}, "greater than or equal to 16"),
        ({"epochs": -1}, "greater than or equal to 0"),
        ({"swap": 1.5}, "less than or equal to 1"),
        ({"learning_rate": 0.0}, "greater than 0"),
        ({"lora": {**GOOD["lora"], "targets": []}}, "at least 1 item"),
        ({"quantize": "int4"}, "'none', 'int8' or 'nf4'"),
        ({"epoch": 2}, "not permitted"),
    ],
)
def test_wrong_values_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ArModel(**{**GOOD, **change})


def test_unsloth_serves_separate_questions() -> None:
    lora = {**GOOD["lora"], "targets": ["q_proj"]}

    assert ArModel(**{**GOOD, "engine": "unsloth", "layout": "separate", "lora": lora}).engine == "unsloth"
