"""The loop on a model of one number, so that every step can be followed."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from support.settings import training
from torch import nn

from abstractor.base.errors import RunError
from abstractor.base.messages.training import Collapsed
from abstractor.machine.compute import Compute
from abstractor.training.loop.callbacks import CollapseGuard
from abstractor.training.loop.fit import Data, Losses, Outcome, decay_groups, fit

CPU = Compute(torch.device("cpu"), torch.float32, "test")
TARGETS = [0.0, 1.0, 2.0, 3.0, 10.0]


class Number(nn.Module):
    def __init__(self, start: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([start]))


def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
    loss = (model.value - batch["targets"]).square()
    return Losses(loss, loss.detach())


def collate_in(size: int) -> Callable[[list[float]], list[dict[str, Any]]]:
    def collate(items: list[float]) -> list[dict[str, Any]]:
        return [{"targets": torch.tensor(items[start : start + size])} for start in range(0, len(items), size)]

    return collate


def run(
    micro: int = 2,
    targets: list[float] = TARGETS,
    validation: list[float] | None = None,
    build: Callable[[int], nn.Module] = lambda seed: Number(0.0),
    constant_loss: float = 1e9,
    loss: Any = losses,
    **change: Any,
) -> Outcome:
    plan: dict[str, Any] = {"epochs": 1, "batch_size": 5, "pool": 1, "learning_rate": 0.1, "warmup": 0.0, "clip": 1e9}
    plan |= {"early_stopping": 0, "optimizer": "adamw", "restarts": 2, "ema": 0.0, "dropout_from": 0.0} | change
    held = None if validation is None else collate_in(2)(validation)
    data = Data(targets, [1] * len(targets), collate_in(micro), held)
    rate = plan["learning_rate"]
    groups: Any = lambda model: decay_groups(model.named_parameters(), rate, 0.0)  # noqa: E731
    return fit(build, loss, data, training(**plan), CPU, constant_loss, iter(range(100, 200)), 0, groups)


def test_the_step_is_the_mean_over_cases_however_they_are_cut() -> None:
    gradients = []

    def recording(model: nn.Module, batch: dict[str, Any]) -> Losses:
        if not gradients or gradients[-1] is not model:
            gradients.append(model)
        return losses(model, batch)

    curves = [run(micro=micro, loss=recording).curve for micro in (1, 2, 5)]
    mean = sum(target**2 for target in TARGETS) / len(TARGETS)
    for curve in curves:
        assert curve == [(1, "training", pytest.approx(mean))]
    values = [model.value.item() for model in gradients]
    assert values == pytest.approx([values[0]] * 3)


def test_early_stopping_keeps_the_best_epoch() -> None:
    """Training pulls the number past the validation's optimum at 0.5 towards 10."""
    outcome = run(targets=[10.0] * 5, validation=[0.5], epochs=30, early_stopping=2, learning_rate=0.2)
    seen = {step: loss for step, part, loss in outcome.curve if part == "validation"}
    best = min(seen, key=lambda step: seen[step])
    assert (float(outcome.model.value) - 0.5) ** 2 == pytest.approx(seen[best], abs=1e-5)
    assert outcome.best_validation_loss == pytest.approx(seen[best], abs=1e-5)
    assert outcome.steps == best + 2 < 30


def test_a_run_that_is_not_finite_starts_again_with_the_next_seed() -> None:
    outcome = run(build=lambda seed: Number(float("nan") if seed == 100 else 0.0))
    assert outcome.seeds_tried == [100, 101]
    assert torch.isfinite(outcome.model.value).all()


def test_training_gives_up_after_the_allowed_restarts() -> None:
    with pytest.raises(RunError, match="all of 3 initialisation seeds"):
        run(build=lambda seed: Number(float("nan")))


def test_the_guard_is_silent_until_the_loss_was_low() -> None:
    guard = CollapseGuard(1.0)
    for loss in [3.0, 1.5, 1.2] * 20:
        guard.watch(loss)
    assert not guard.armed


def test_the_guard_fires_when_the_loss_returns_to_the_constant_predictors() -> None:
    guard = CollapseGuard(1.0)
    for loss in [1.0, 0.9, 0.8, 0.7, 0.6] * 3:
        guard.watch(loss)
    assert guard.armed
    with pytest.raises(Collapsed, match="a constant predictor has"):
        for _ in range(200):
            guard.watch(1.05)


@pytest.mark.parametrize(
    ("steps", "loss", "collapsed"), [(100, 0.96, True), (99, 0.96, False), (100, 0.94, False), (300, 1.2, True)]
)
def test_a_long_training_that_never_left_the_constant_predictors_loss_has_collapsed(
    steps: int, loss: float, collapsed: bool
) -> None:
    with pytest.raises(RunError) if collapsed else nullcontext():
        run(epochs=steps, constant_loss=1 / loss, loss=constant, restarts=0)


def constant(model: nn.Module, batch: dict[str, Any]) -> Losses:
    """1 whatever the weights are."""
    loss = torch.ones(len(batch["targets"])) + 0 * model.value
    return Losses(loss, loss.detach())


def test_each_new_start_has_half_the_rates() -> None:
    def moved(model: nn.Module) -> float:
        return abs(float(model.value.detach()))

    starts: list[nn.Module] = []

    def build(seed: int) -> nn.Module:
        starts.append(Number(0.0))
        return starts[-1]

    def never(model: nn.Module, batch: dict[str, Any]) -> Losses:
        """Learns, and is not finite at the second step."""
        loss = losses(model, batch)
        return Losses(loss.total, loss.supervised if moved(model) == 0 else torch.full((5,), torch.nan))

    with pytest.raises(RunError, match="all of 3 initialisation seeds"):
        run(micro=5, epochs=2, build=build, loss=never)
    # Adam's first step is as long as its rate, 0.1; of two steps the schedule's first has all of it.
    assert [moved(model) for model in starts] == pytest.approx([0.1, 0.05, 0.025], rel=1e-3)


def test_one_bad_step_does_not_fire_the_guard() -> None:
    guard = CollapseGuard(1.0)
    for _ in range(30):
        guard.watch(0.5)
    guard.watch(3.0)
    assert guard.armed


def recorded(read: Callable[[Any], float], **change: Any) -> tuple[list[float], Outcome]:
    """What `read` finds in the model at each training step, and the outcome."""
    seen: list[float] = []

    def recording(model: nn.Module, batch: dict[str, Any]) -> Losses:
        seen.extend([read(model)] if model.training else [])
        return losses(model, batch)

    return seen, run(loss=recording, micro=5, **change)


def value(model: Any) -> float:
    return float(model.value.detach())


@pytest.mark.parametrize(("ema", "second"), [(0.9, 3 / 12), (0.2, 0.2)])
def test_an_average_follows_the_weights_and_is_kept(ema: float, second: float) -> None:
    before, plain = recorded(value, epochs=2)
    seen, averaged = recorded(value, epochs=2, ema=ema)
    assert seen == before
    after_one = 2 / 11 * before[0] + 9 / 11 * before[1]
    expected = second * after_one + (1 - second) * value(plain.model)
    assert value(averaged.model) == pytest.approx(expected)


def test_the_average_is_validated_and_the_best_one_kept() -> None:
    """An average lags behind, so its best epoch is a later one; training goes on from the weights themselves."""
    plan: dict[str, Any] = {"targets": [10.0] * 5, "validation": [0.5], "early_stopping": 9, "learning_rate": 0.2}
    before, _ = recorded(value, epochs=9, **plan)
    seen, outcome = recorded(value, epochs=9, ema=0.9, **plan)
    assert seen == before
    average, validated = seen[0], []
    for step, weight in enumerate(seen[1:], start=1):
        decay = (1 + step) / (10 + step)
        average = decay * average + (1 - decay) * weight
        validated.append(average)
    best = min(validated, key=lambda weight: (weight - 0.5) ** 2)
    assert value(outcome.model) == pytest.approx(best)
    assert outcome.best_validation_loss == pytest.approx((best - 0.5) ** 2)


def test_a_new_start_has_a_new_average() -> None:
    outcome = run(build=lambda seed: Number(float("nan") if seed == 100 else 0.0), ema=0.9)
    assert outcome.seeds_tried == [100, 101]
    assert torch.isfinite(outcome.model.value).all()


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, [0.3] * 4), (0.5, [0, 0, 0.3, 0.3]), (0.6, [0, 0, 0, 0.3]), (1.0, [0] * 4)]
)
def test_dropout_begins_after_its_share_of_the_steps(share: float, expected: list[float]) -> None:
    def build(_: int) -> nn.Module:
        model = Number(0.0)
        model.dropout = nn.Dropout(0.3)
        return model

    seen, outcome = recorded(lambda model: model.dropout.p, build=build, epochs=4, dropout_from=share)
    assert seen == expected
    assert outcome.model.dropout.p == 0.3


def test_a_step_that_does_not_fit_in_memory_is_told_with_what_helps() -> None:
    def greedy(model: nn.Module, batch: dict[str, Any]) -> Losses:
        torch.empty(1 << 60)
        return losses(model, batch)

    with pytest.raises(RunError, match=r"memory ran out in training; .*; lower micro_tokens of the model"):
        run(loss=greedy)
