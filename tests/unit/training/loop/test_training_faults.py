"""What a training keeps in memory, and what is said when that or a step of it does not fit."""

from typing import Any

import pytest
import torch
from support.faults import Heard
from support.settings import training
from torch import nn

from abstractor.base.errors import RunError
from abstractor.training.loop import faults
from abstractor.training.loop.faults import Load, explained, held

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
EVERY = {"optimizer": "adamw", "ema": 0.0, "gradient_checkpointing": False}


def load(**change: Any) -> Load:
    others = {"epochs": 1, "batch_size": 1, "pool": 1, "learning_rate": 0.1, "warmup": 0.0, "clip": 1.0}
    others |= {"dropout_from": 0.0, "early_stopping": 0, "restarts": 0}
    return Load.of(training(**others | EVERY | change))


class Net(nn.Module):
    """An embedding of 8,000 numbers, a matrix of 10,000, a bias of 100."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.matrix = nn.Embedding(1000, 8), nn.Linear(100, 100)


def said(error: BaseException, model: nn.Module, device: torch.device = CPU, **change: Any) -> str:
    with pytest.raises(RunError) as caught, explained(model, device, load(**change)):
        raise error
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 18_100 * 16),
        ({"ema": 0.9}, 18_100 * 20),
        ({"optimizer": "adamw_8bit"}, 18_100 * 8 + 8_100 * 8 + 10_000 * 2 + 2 * 4 * 40),
    ],
)
def test_bytes_are_those_of_weights_gradients_moments_and_averages(change: dict[str, Any], expected: int) -> None:
    assert held(Net(), load(**change)) == expected


def test_frozen_weights_have_no_gradients_and_no_moments() -> None:
    model = Net().to(torch.bfloat16)
    model.matrix = nn.Linear(100, 100)
    model.embedding.weight.requires_grad = False
    assert held(model, load()) == 8_000 * 2 + 10_100 * 16


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit"])
def test_moments_are_counted_as_the_optimiser_keeps_them(optimizer: str) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="`make test` installs it")
    model = Net().requires_grad_(False)
    model.matrix.requires_grad_(True)
    kind = torch.optim.AdamW if optimizer == "adamw" else bitsandbytes.optim.AdamW8bit
    made = kind(model.parameters())
    model.matrix(torch.ones(1, 100)).sum().backward()
    made.step()
    shapes = {"exp_avg", "exp_avg_sq", "state1", "state2", "absmax1", "absmax2"}
    kept = sum(value.nbytes for state in made.state.values() for name, value in state.items() if name in shapes)
    weights = sum(weight.nbytes for weight in model.parameters())
    assert held(model, load(optimizer=optimizer)) == weights + 10_100 * 4 + kept


def test_a_step_that_does_not_fit_is_told_apart_from_a_model_that_never_will(
    monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    model = Net()
    monkeypatch.setattr(faults, "_memory", lambda _: 300_000_000)
    step = said(MemoryError(), model)
    assert "take 0.0 of 0.3 GB; lower micro_tokens of the model, or set gradient_checkpointing: true, or" in step
    assert "optimizer: adamw_8bit, or train a lora, or take a larger machine" in step
    monkeypatch.setattr(faults, "_memory", lambda _: 18_100 * 16)
    never = said(MemoryError(), model)
    heard(never)
    assert "micro_tokens" not in never and "checkpointing" not in never
    assert "set optimizer: adamw_8bit, or train a lora, or take a smaller backbone or a larger machine" in never


def test_nothing_is_advised_that_was_done() -> None:
    model = Net()
    model.embedding.weight.requires_grad = False
    message = said(MemoryError(), model, optimizer="adamw_8bit", gradient_checkpointing=True)
    assert message.partition("GB; ")[2] == (
        "lower micro_tokens of the model, or take a larger machine, and run the same command again"
    )


@pytest.mark.parametrize(
    ("setting", "advised"), [(None, True), ("max_split_size_mb:64", True), ("expandable_segments:True", False)]
)
def test_memory_in_pieces_is_advised_against_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, advised: bool
) -> None:
    for name in faults.ALLOCATOR:
        monkeypatch.delenv(name, raising=False)
    if setting is not None:
        monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", setting)
    whole = type("Properties", (), {"total_memory": 24_000_000_000})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: whole)
    message = said(torch.OutOfMemoryError("CUDA out of memory"), Net(), CUDA)
    assert ("PYTORCH_ALLOC_CONF=expandable_segments:True" in message) == advised
    assert "of 24.0 GB" in message


def test_an_operation_without_a_deterministic_kernel_is_named(heard: Heard) -> None:
    before = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError) as real:
            torch.zeros(2).put_(torch.tensor([0]), torch.ones(1))
    finally:
        torch.use_deterministic_algorithms(True, warn_only=before)
    message = said(real.value, Net())
    assert "train.deterministic: true, but PyTorch's put_ adds up" in message
    heard(message)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shape"), explained(Net(), CPU, load()):
        raise RuntimeError("shape mismatch")
