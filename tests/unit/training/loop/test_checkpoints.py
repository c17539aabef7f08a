"""A training that is stopped at any step and started again ends as the one that was not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.settings import training
from torch import nn

from abstractor.machine.compute import Compute
from abstractor.training.loop import checkpoints
from abstractor.training.loop.fit import Data, Losses, Outcome, decay_groups, fit

CPU = Compute(torch.device("cpu"), torch.float32, "test")
CASES = np.random.default_rng(1).normal(size=(24, 4)).astype(np.float32)


class Stopped(Exception):
    """Stands for a kill."""


class Net(nn.Module):
    """Draws in each pass (dropout), so that the random state counts."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(rows * self.frozen)[:, 0]
        return result


def drawing(seed: int) -> Callable[[list[Any]], list[dict[str, Any]]]:
    """Collation that draws as augmentation does."""
    generator = np.random.default_rng(seed)

    def collate(items: list[Any]) -> list[dict[str, Any]]:
        rows = torch.tensor(np.array(items)) + torch.tensor(generator.normal(size=(len(items), 4)).astype(np.float32))
        return [{"rows": part, "targets": part.sum(1)} for part in rows.split(2)]

    return collate


def run(
    place: Path | None,
    stop_after: int | None = None,
    broken_seed: int | None = None,
    **change: Any,
) -> Outcome:
    """Train; `stop_after` so many micro-batches in training mode, as a kill would."""
    seen = 0

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        nonlocal seen
        seen += model.training
        if stop_after is not None and seen > stop_after:
            raise Stopped
        loss = (model(batch["rows"]) - batch["targets"]).square()
        if broken_seed is not None and float(model.tag) == broken_seed:
            # By its weights, as a real collapse: in whichever process they come so far.
            moved = (model.layers[0].weight - Net(broken_seed).layers[0].weight).norm()
            loss = loss * (float("nan") if moved > 0.3 else 1.0)
        return Losses(loss, loss)

    def build(seed: int) -> nn.Module:
        model = Net(seed)
        model.register_buffer("tag", torch.tensor(float(seed)))
        return model

    plan: dict[str, Any] = {"epochs": 5, "batch_size": 4, "pool": 2, "learning_rate": 0.05, "warmup": 0.1, "clip": 1.0}
    plan |= {"early_stopping": 9, "optimizer": "adamw", "restarts": 2, "ema": 0.9, "dropout_from": 0.3} | change
    held = [{"rows": torch.tensor(CASES[:5]), "targets": torch.tensor(CASES[:5].sum(1))}]
    data = Data(list(CASES[5:]), [1] * 19, drawing(7), held if plan["early_stopping"] else None)
    groups: Any = lambda model: decay_groups(model.named_parameters(), 0.05, 0.01)  # noqa: E731
    return fit(build, losses, data, training(**plan), CPU, 1e9, iter(range(100, 200)), 3, groups, place)


@pytest.fixture(autouse=True)
def _saving_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_SHARE", float("inf"))


def same(first: Outcome, second: Outcome) -> bool:
    weights = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in weights) and first[1:-1] == second[1:-1]


@pytest.mark.parametrize("stop_after", [1, 2, 13, 34, 48])
@pytest.mark.parametrize("change", [{}, {"early_stopping": 0, "ema": 0.0, "dropout_from": 0.0}], ids=["all", "plain"])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, stop_after: int, change: dict[str, Any]) -> None:
    whole = run(None, **change)
    with pytest.raises(Stopped):
        run(tmp_path, stop_after, **change)
    resumed = run(tmp_path, **change)
    assert same(whole, resumed)
    assert (resumed.resumed > 0) == (stop_after >= 2)


def test_a_run_may_be_stopped_again_and_again(tmp_path: Path) -> None:
    starts = 1
    while True:
        try:
            outcome = run(tmp_path, 6)
            break
        except Stopped:
            starts += 1
    assert starts > 5
    assert same(run(None), outcome)


def test_without_the_saved_state_the_end_would_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests above would pass for the wrong reason."""
    with pytest.raises(Stopped):
        run(tmp_path, 30)
    monkeypatch.setattr(checkpoints.ResumableTrainer, "_load_from_checkpoint", lambda *_: None)
    assert not same(run(None), run(tmp_path))


def test_an_initialisation_that_collapsed_before_the_stop_collapses_again(tmp_path: Path) -> None:
    whole = run(None, broken_seed=100)
    with pytest.raises(Stopped):
        run(tmp_path, 40, broken_seed=100)
    resumed = run(tmp_path, broken_seed=100)
    assert whole.seeds_tried == [100, 101]
    assert same(whole, resumed)


def test_early_stopping_remembers_how_long_it_waited(tmp_path: Path) -> None:
    change: dict[str, Any] = {"early_stopping": 1, "epochs": 12, "learning_rate": 0.5}
    whole = run(None, **change)
    assert whole.steps < 60
    with pytest.raises(Stopped):
        run(tmp_path, 2 * whole.steps - 1, **change)
    assert same(whole, run(tmp_path, **change))


def test_added_passes_are_resumed_as_all_others(tmp_path: Path) -> None:
    """Five steps a pass: 31 steps at least are seven passes, whatever `epochs` says."""
    whole = run(None, epochs=1, least_steps=31)
    assert whole.steps == 35
    assert same(whole, run(None, epochs=7))
    with pytest.raises(Stopped):
        run(tmp_path, 50, epochs=1, least_steps=31)
    resumed = run(tmp_path, epochs=1, least_steps=31)
    assert resumed.resumed > 5
    assert same(whole, resumed)


def test_a_checkpoint_counts_once_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-9").mkdir()
    assert checkpoints.step_of(tmp_path) == 0
    (tmp_path / "whole-3").mkdir()
    (tmp_path / "whole-12").mkdir()
    assert checkpoints.step_of(tmp_path) == 12


def test_one_checkpoint_is_kept(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, 30)
    assert [path.name[:6] for path in (tmp_path / "100").iterdir()] == ["whole-"]


def test_saving_takes_its_share_of_the_time_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_SHARE", 0.02)
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    callback = checkpoints.Checkpoints(tmp_path)

    class State:
        global_step = 0

    class Control:
        should_log, should_save = True, False

    saved = []
    for _ in range(200):
        now[0] += 1.0
        State.global_step += 1
        control = Control()
        callback.on_step_end(None, State, control)
        if control.should_save:
            saved.append(State.global_step)
            (tmp_path / f"checkpoint-{State.global_step}").mkdir()
            now[0] += 1.0
            callback.on_save(None, State, control)
    assert saved == [1, 51, 101, 151]
