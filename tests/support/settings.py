"""Settings of a training, for what reads only some of them."""

from typing import Any

from abstractor.training.loop.settings import Training


def training(**given: Any) -> Training:
    """Settings with `given` values; nothing of the rest has an effect."""
    others = {"backbone": "none", "seed": 0, "learns": {"labels": "coded", "rewrites": "none", "made": "none"}}
    others |= {"swap": 0.0, "rewrite": 0.0, "made_ratio": 0.0, "made_epochs": None, "micro_tokens": 16}
    others |= {"least_steps": 0, "weight_decay": 0.0, "gradient_checkpointing": False}
    return Training(**others | given)
