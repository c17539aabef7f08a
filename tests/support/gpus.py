"""A machine with two GPUs, as far as the Trainer asks for their number."""

from typing import Any

import pytest
import torch
from transformers import TrainingArguments

from abstractor.training.loop import checkpoints


def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Trainer counts two GPUs, and splits no model over them; what it computes, it computes on the CPU."""

    def split(_wrapper: Any, _model: Any) -> None:
        raise AssertionError("the model was split over two GPUs")

    def anywhere(**options: Any) -> TrainingArguments:
        return TrainingArguments(**options | {"use_cpu": False})

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.nn.DataParallel, "__init__", split)
    monkeypatch.setattr(checkpoints, "TrainingArguments", anywhere)


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether two models have the same weights, to the last bit."""
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)
