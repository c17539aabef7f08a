"""float16 with a gradient scaler, and 8-bit Adam, on a CPU: what overflows moves nothing, and stopped runs go on.

Accelerate makes a scaler for GPUs alone; here it gets PyTorch's for the CPU, which takes the same steps.
"""

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from support.gpus import same_weights
from support.marks import NEEDS_BITSANDBYTES
from support.settings import training
from torch import nn

from abstractor.base.errors import RunError
from abstractor.machine.compute import Compute
from abstractor.training.loop import checkpoints, fit
from abstractor.training.loop.fit import Data, Losses, Outcome, decay_groups

HALF = Compute(torch.device("cpu"), torch.float16, "test")
PLAIN = Compute(torch.device("cpu"), torch.float32, "test")
CASES = 24
FIRST_SCALE = 2.0**16
"""Of PyTorch's gradient scaler; it halves it after an overflow."""
BOTH = pytest.mark.parametrize("optimizer", ["adamw", pytest.param("adamw_8bit", marks=NEEDS_BITSANDBYTES)])


class Stopped(Exception):
    """Stands for a kill."""


class Net(nn.Module):
    """Large enough that 8-bit Adam takes 8 bits for its matrix, and would for its embedding."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding, self.layer, self.last = nn.Embedding(80, 64), nn.Linear(64, 64), nn.Linear(64, 1)
        self.copies_kept: list[bool] = []
        """Of each pass, whether autocast kept lower copies of the weights."""

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        self.copies_kept.append(torch.is_autocast_cache_enabled())
        read: torch.Tensor = self.last(torch.nn.functional.dropout(self.layer(self.embedding(words)).relu(), 0.2))
        return read.float()[:, 0]


class Watched:
    """What a training did, step by step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.weights: list[torch.Tensor] = []
        self.trainer: Any = None


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Of each step, the rate and the weights before it; every step may be gone on from; float16 has its scaler."""
    seen, step, made = Watched(), fit._CaseTrainer.training_step, accelerate.Accelerator.__init__

    def training_step(trainer: Any, model: nn.Module, *rest: Any) -> Any:
        seen.trainer = trainer
        seen.rates.append(trainer.lr_scheduler.get_last_lr()[0])
        seen.weights.append(model.layer.weight.detach().clone())
        return step(trainer, model, *rest)

    def make(self: Any, *given: Any, **options: Any) -> None:
        made(self, *given, **options)
        if self.state.mixed_precision == "fp16":
            self.native_amp, self.scaler = True, torch.amp.GradScaler("cpu")

    monkeypatch.setattr(fit._CaseTrainer, "training_step", training_step)
    monkeypatch.setattr(accelerate.Accelerator, "__init__", make)
    monkeypatch.setattr(checkpoints, "_SHARE", float("inf"))
    return seen


def run(
    watched: Watched,
    place: Path | None = None,
    compute: Compute = HALF,
    stop_at: int | None = None,
    overflows: frozenset[int] = frozenset(),
    **change: Any,
) -> Outcome:
    """Train 12 steps of 4 cases; in step `stop_at` (from 1) it is killed, in `overflows` its gradients overflow."""

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        step = watched.trainer.state.global_step + 1
        if step == stop_at:
            raise Stopped
        loss = (model(batch["words"]) - batch["targets"]).square()
        return Losses(loss * (1e36 if step in overflows else 1.0), loss)

    def collate(items: list[int]) -> list[dict[str, Any]]:
        words = torch.tensor(items)
        return [{"words": part, "targets": part / CASES} for part in words.split(2)]

    plan: dict[str, Any] = {"epochs": 2, "batch_size": 4, "pool": 1, "learning_rate": 0.01, "warmup": 0.0, "clip": 1.0}
    plan |= {"early_stopping": 0, "optimizer": "adamw", "restarts": 0, "ema": 0.9, "dropout_from": 0.0} | change
    groups: Any = lambda model: decay_groups(model.named_parameters(), 0.01, 0.01)  # noqa: E731
    data = Data(list(range(CASES)), [1] * CASES, collate, None)
    return fit.fit(Net, losses, data, training(**plan), compute, 1e9, iter(range(9)), 3, groups, place)


@BOTH
def test_a_step_that_overflows_moves_neither_weights_nor_schedule_nor_averages(
    watched: Watched, optimizer: str
) -> None:
    run(watched, optimizer=optimizer, overflows=frozenset({3, 7}))
    moved = [not torch.equal(*pair) for pair in zip(watched.weights, watched.weights[1:], strict=False)]
    assert moved == [step not in (3, 7) for step in range(1, 12)]
    taken = [step - sum(over < step for over in (3, 7)) for step in range(1, 13)]
    assert watched.rates == pytest.approx([0.01 * (1 - (step - 1) / 12) for step in taken])
    assert watched.trainer.average.steps == 10
    assert watched.trainer.accelerator.scaler.get_scale() == FIRST_SCALE / 4


@BOTH
def test_float16_learns_what_float32_learns(watched: Watched, optimizer: str) -> None:
    first, last = (
        [loss for _, _, loss in run(watched, compute=compute, optimizer=optimizer, epochs=10).curve]
        for compute in (HALF, PLAIN)
    )
    assert first[-1] == pytest.approx(last[-1], abs=0.01) and first[-1] < 0.1 * first[0]
    assert not watched.trainer.accelerator.scaler
    assert first != last


@NEEDS_BITSANDBYTES
@pytest.mark.parametrize("stop_at", [2, 4, 8])
@pytest.mark.parametrize(("compute", "optimizer"), [(HALF, "adamw"), (HALF, "adamw_8bit"), (PLAIN, "adamw_8bit")])
def test_a_stopped_run_goes_on_to_the_same_weights(
    tmp_path: Path, watched: Watched, optimizer: str, stop_at: int, compute: Compute
) -> None:
    change: dict[str, Any] = {"compute": compute, "optimizer": optimizer}
    change["overflows"] = frozenset({3, 7} if compute is HALF else ())
    whole = run(watched, **change)
    with pytest.raises(Stopped):
        run(watched, tmp_path, stop_at=stop_at, **change)
    resumed = run(watched, tmp_path, **change)
    assert resumed.resumed == stop_at - 1
    assert same_weights(whole.model, resumed.model)
    assert whole.curve == resumed.curve


def bits(watched: Watched) -> dict[str, torch.dtype]:
    """Of each weight, what its first moment is kept in."""
    state, names = watched.trainer.optimizer.state, dict(watched.trainer.model.named_parameters())
    return {name: state[weight]["state1"].dtype for name, weight in names.items()}


@NEEDS_BITSANDBYTES
def test_eight_bit_adam_keeps_the_state_of_embeddings_in_32_bits(watched: Watched, monkeypatch: Any) -> None:
    run(watched, compute=PLAIN, optimizer="adamw_8bit")
    expected = dict.fromkeys(bits(watched), torch.float32) | {"layer.weight": torch.uint8}
    assert bits(watched) == expected
    # Now the matrix comes first, where the embedding was.
    names = nn.Module.named_parameters
    monkeypatch.setattr(Net, "named_parameters", lambda self, *_, **__: sorted(names(self), reverse=True))
    run(watched, compute=PLAIN, optimizer="adamw_8bit")
    assert bits(watched) == expected


def test_an_earlier_start_has_left_memory_when_the_next_one_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[Any] = []

    class Broken(Net):
        def __init__(self, seed: int) -> None:
            assert not [model for model in alive if model() is not None]
            super().__init__(seed)
            alive.append(weakref.ref(self))

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        loss = model(batch["words"]) * (float("nan") if len(alive) < 3 else 1.0)
        return Losses(loss, loss)

    gc.disable()  # what goes has to go by itself
    try:
        data = Data([1, 2], [1, 1], lambda items: [{"words": torch.tensor(items), "targets": items}], None)
        plan: dict[str, Any] = {
            "epochs": 1,
            "batch_size": 2,
            "pool": 1,
            "learning_rate": 0.1,
            "warmup": 0.0,
            "ema": 0.0,
        }
        plan |= {"early_stopping": 0, "optimizer": "adamw", "restarts": 3, "dropout_from": 0.0, "clip": 1.0}
        groups: Any = lambda model: decay_groups(model.named_parameters(), 0.01, 0.01)  # noqa: E731
        outcome = fit.fit(Broken, losses, data, training(**plan), PLAIN, 1e9, iter(range(9)), 3, groups)
    finally:
        gc.enable()
    assert outcome.seeds_tried == [0, 1, 2]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_checkpointing_keeps_no_copies_of_weights_in_the_lower_precision(
    watched: Watched, dtype: torch.dtype, checkpointing: bool
) -> None:
    """In float16 nor does the autocast that accelerate has around the model."""
    outcome = run(watched, compute=Compute(torch.device("cpu"), dtype, "test"), gradient_checkpointing=checkpointing)
    assert outcome.model.copies_kept == [not checkpointing] * 24


def test_8_bit_adam_without_its_package_says_what_to_install(watched: Watched, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(RunError, match="adamw_8bit needs the package bitsandbytes: run make setup LOCK=gpu"):
        run(watched, compute=PLAIN, optimizer="adamw_8bit")
