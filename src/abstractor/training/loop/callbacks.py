"""What accompanies a training run: the collapse guard, averaged weights, late dropout, the choice of the best epoch.

Those that remember something can save and load it, as PyTorch's optimisers do, so that a stopped run goes on.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import ProgressCallback, TrainerCallback

from abstractor.base.messages import training as messages

_ARMED = 0.9
"""The guard is armed once the smoothed loss is below this share of a constant predictor's loss."""
_SMOOTHING = 0.9
"""Weight of the past in the smoothed loss: about the last ten steps count."""
_ENOUGH = 100
"""Steps after which a training that has learned nothing has collapsed: a shorter one may not have begun to learn."""
_NOTHING = 0.95
"""Share of a constant predictor's loss above which a training has learned nothing: batches make it vary by a few %."""

LOSSES = {"loss": "training", "eval_loss": "validation"}
"""The Trainer's names of the two losses, and ours."""


class CollapseGuard(TrainerCallback):  # type: ignore[misc]
    """Raises `Collapsed` when the loss is not finite, back at a constant predictor's, or never left it.

    Armed once the smoothed supervised loss is 10 % below that of a predictor which knows the label shares only. A
    training that ends there without having been armed collapsed in its first steps, where rates are highest.
    """

    def __init__(self, constant_loss: float) -> None:
        """`constant_loss`: mean supervised loss of the constant predictor."""
        self.constant_loss = constant_loss
        self.smoothed, self.weight, self.armed = 0.0, 0.0, False

    def watch(self, loss: float) -> None:
        """Take in the supervised loss of one optimiser step."""
        if not torch.isfinite(torch.tensor(loss)):
            raise messages.loss_is_not_finite()
        self.smoothed = _SMOOTHING * self.smoothed + (1 - _SMOOTHING) * loss
        self.weight = _SMOOTHING * self.weight + (1 - _SMOOTHING)
        self.armed = self.armed or self.mean < _ARMED * self.constant_loss
        if self.armed and self.mean >= self.constant_loss:
            raise messages.loss_is_back(self.mean, self.constant_loss)

    @property
    def mean(self) -> float:
        """Of the last losses."""
        return self.smoothed / self.weight

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Has it learned anything?"""
        if not self.armed and state.global_step >= _ENOUGH and self.mean >= _NOTHING * self.constant_loss:
            raise messages.loss_never_left(self.mean, self.constant_loss)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"smoothed": self.smoothed, "weight": self.weight, "armed": self.armed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.smoothed, self.weight, self.armed = state["smoothed"], state["weight"], state["armed"]


class EpochEnds(TrainerCallback):  # type: ignore[misc]
    """Asks for an evaluation at the end of each epoch, since the Trainer takes all of them for one."""

    def __init__(self, ends: Sequence[int]) -> None:
        """`ends`: steps done at the end of each epoch."""
        self.ends = frozenset(ends)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate now?"""
        control.should_evaluate = state.global_step in self.ends


class BestWeights(TrainerCallback):  # type: ignore[misc]
    """Keeps the trainable weights of the best epoch in memory; stops after `patience` epochs without a better one."""

    def __init__(self, patience: int) -> None:
        """`patience` in epochs."""
        self.patience, self.waited = patience, 0
        self.loss: float | None = None
        self.weights: dict[str, Tensor] = {}

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, model: Any = None, **_: Any
    ) -> None:
        """Compare this epoch's validation loss with the best so far."""
        if self.loss is None or metrics["eval_loss"] < self.loss:
            self.loss, self.waited = metrics["eval_loss"], 0
            self.weights = {name: weight.detach().cpu().clone() for name, weight in trainable(model)}
            return
        self.waited += 1
        control.should_training_stop = self.waited >= self.patience
        # A run that went on from here would take one step more.
        control.should_save = control.should_save and not control.should_training_stop

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back; without a validation the last ones stay."""
        with torch.no_grad():
            for name, weight in trainable(model) if self.weights else []:
                weight.copy_(self.weights[name])

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"loss": self.loss, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.loss, self.waited, self.weights = state["loss"], state["waited"], state["weights"]


class AveragedWeights(TrainerCallback):  # type: ignore[misc]
    """Keeps an exponential moving average of the trainable weights beside them.

    At step t an average takes (1 - d) of the new weight, d = min(decay, (1 + t) / (10 + t)): a short training would
    otherwise end with an average of its first steps. `decay` 0 keeps nothing.
    """

    def __init__(self, decay: float) -> None:
        """`decay` from 0 to below 1."""
        self.decay, self.steps = decay, 0
        self.averages: list[Tensor] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Begin with the weights as they are, or go on from saved averages."""
        weights = [weight.detach() for _, weight in trainable(model)] if self.decay else []
        known = zip(self.averages or weights, weights, strict=True)
        self.averages = [average.to(weight.device, copy=True) for average, weight in known]

    def on_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **_: Any
    ) -> None:
        """Take in the weights that the optimiser has just changed, unless it left out a step that overflowed."""
        if self.averages and not optimizer.step_was_skipped:
            self.steps += 1
            decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
            update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            update(self.averages, [weight.detach() for _, weight in trainable(model)], self.steps)

    def swap(self, model: nn.Module) -> None:
        """Exchange the weights of `model` for their averages; a second call takes that back."""
        for number, (_, weight) in enumerate(trainable(model) if self.averages else []):
            weight.data, self.averages[number] = self.averages[number], weight.data

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"steps": self.steps, "averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.steps, self.averages = state["steps"], state["averages"]


class LateDropout(TrainerCallback):  # type: ignore[misc]
    """Turns all dropout off until a share of the steps is done ("late dropout", arXiv 2303.01500)."""

    def __init__(self, share: float) -> None:
        """`share` of the steps; 0: dropout from the start, 1: none at all."""
        self.share = share
        self.rates: list[tuple[nn.Module, str, float]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Turn dropout off."""
        if self.share:
            self.rates = dropout_rates(model)
            for module, name, _rate in self.rates:
                setattr(module, name, 0.0)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Turn it on again once its time has come."""
        if state.global_step >= self.share * state.max_steps:
            self._restore()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Leave the model as it was, however early training stopped."""
        self._restore()

    def _restore(self) -> None:
        for module, name, rate in self.rates:
            setattr(module, name, rate)
        self.rates = []


class Progress(ProgressCallback):  # type: ignore[misc]
    """One progress bar a training, with the loss behind it; the curve has the rest."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Show the latest loss."""
        shown = {name: f"{logs[key]:.4g}" for key, name in LOSSES.items() if key in logs}
        self.training_bar.set_postfix(shown)


def trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Names and weights that training changes."""
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def dropout_rates(model: nn.Module) -> list[tuple[nn.Module, str, float]]:
    """Module, attribute and value of every dropout rate above 0.

    Beside PyTorch's dropout modules these are plain numbers of modules that call a function: of attention in Llama,
    Qwen2 and ModernBERT (`attention_dropout`) and in Longformer (`dropout`). No class marks them, only their name does.
    """
    found = []
    for module in model.modules():
        names = ["p"] if isinstance(module, nn.Dropout) else [name for name in vars(module) if "drop" in name]
        rates = [(name, getattr(module, name)) for name in names]
        found += [(module, name, rate) for name, rate in rates if isinstance(rate, float) and rate > 0]
    return found
