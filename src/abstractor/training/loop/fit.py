"""The training loop that SC and AR share: the transformers Trainer, with steps made of cases.

A step's batch is a list of micro-batches. Each kind of model brings its own `losses` function; the loss of a step is
the mean over all its cases, however they were cut into micro-batches.
"""

import gc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from accelerate.utils import AutocastKwargs
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from abstractor.base.messages import training as messages
from abstractor.base.messages.training import Collapsed
from abstractor.machine.compute import Compute, autocast, to_device
from abstractor.training.loop import cpu_kernels
from abstractor.training.loop.callbacks import (
    AveragedWeights,
    BestWeights,
    CollapseGuard,
    EpochEnds,
    LateDropout,
    Progress,
)
from abstractor.training.loop.checkpoints import EIGHT_BIT, ResumableTrainer, arguments
from abstractor.training.loop.faults import Load, explained
from abstractor.training.loop.settings import Training
from abstractor.training.loop.steps import Extra, Steps

Batch = dict[str, Any]
"""Tensors of one micro-batch; `targets` has one row a case."""

_SLOWER = 0.5
"""Learning rates of a start after a collapse, as a share of those of the start before."""
_OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw_8bit": EIGHT_BIT}


class Losses(NamedTuple):
    """Losses of a micro-batch, one value a case."""

    total: Tensor
    """What is minimised, (B,)."""
    supervised: Tensor
    """The part that the targets ask for, (B,): what the collapse guard and early stopping watch."""


LossFunction = Callable[[nn.Module, Batch], Losses]
Groups = Callable[[nn.Module], list[dict[str, Any]]]
"""Model -> optimiser groups, each with its own learning rate `lr`."""


class Data(NamedTuple):
    """Cases to learn from and the tenth that chooses the checkpoint."""

    training: Dataset[Any]
    lengths: Sequence[int]
    """Tokens of each training case, for batches of near-equal length."""
    collate: Callable[[list[Any]], list[Batch]]
    """Items of one optimiser step -> its micro-batches."""
    validation: list[Batch] | None
    """None: no early stopping, the last epoch's weights are kept."""
    extra: Extra | None = None
    """Cases of `training` that an epoch takes a share of, such as made ones."""


class Outcome(NamedTuple):
    """A trained model and how it came about."""

    model: nn.Module
    seeds_tried: list[int]
    steps: int
    best_validation_loss: float | None
    curve: list[tuple[int, str, float]]
    """(step, "training" or "validation", loss)."""
    resumed: int
    """Steps that a stopped run had done; 0: this one did all."""

    def summary(self) -> dict[str, Any]:
        """For the run card."""
        return {
            "resumed_at_step": self.resumed,
            "seeds_tried": self.seeds_tried,
            "steps": self.steps,
            "best_validation_loss": self.best_validation_loss,
        }


def fit(
    build: Callable[[int], nn.Module],
    losses: LossFunction,
    data: Data,
    settings: Training,
    compute: Compute,
    constant_loss: float,
    init_seeds: Iterable[int],
    order_seed: int,
    groups: Groups,
    checkpoints: Path | None = None,
) -> Outcome:
    """Train; on a collapse start again with the next initialisation seed, at half the learning rates.

    Where rates are too high, another seed alone collapses as the first did (docs/evidence/experiments.md).

    A run that goes on from checkpoints goes on as an unbroken one: it reads what came before the checkpoint again,
    since augmentation draws as it reads, and where an initialisation had collapsed it collapses again. How far two
    runs are alike at all: see `machine.compute.Learning`.

    Args:
        build: initialisation seed -> model with fresh trainable weights, on the CPU.
        losses: model, micro-batch -> losses of its cases.
        data: cases and collation.
        settings: how long and how fast; with 0 epochs the model stays as it was built.
        compute: device and dtype of the arithmetic; weights stay in the dtype they have.
        constant_loss: mean supervised loss of a predictor that knows the label shares only.
        init_seeds: the first is used, the next ones after a collapse.
        order_seed: of data order and dropout.
        groups: model -> optimiser groups, each with its own learning rate and weight decay.
        checkpoints: folder of those that a stopped run left and of this run's; None: none are kept.

    Raises:
        RunError: training collapsed with every allowed seed, or the machine cannot do it (see `faults`).
    """
    tried: list[int] = []
    for attempt, init_seed in enumerate(islice(init_seeds, settings.restarts + 1)):
        tried.append(init_seed)
        torch.manual_seed(init_seed)
        model = build(init_seed)
        if not settings.epochs:
            return Outcome(model, tried, 0, None, [], 0)
        with TemporaryDirectory(prefix="abstractor-") as scratch:
            folder = (checkpoints or Path(scratch)) / str(init_seed)
            with explained(model, compute.device, Load.of(settings)):
                slower = partial(_slowed, _SLOWER**attempt, groups)
                trainer = _CaseTrainer(
                    model, losses, data, settings, compute, constant_loss, order_seed, slower, folder
                )
                try:
                    with cpu_kernels.installed(model, compute.device):
                        trainer.run()
                except Collapsed as collapse:
                    print(f"start {attempt + 1} of {settings.restarts + 1} collapsed: {collapse}", flush=True)
                else:
                    trainer.average.swap(model)
                    trainer.best.restore(model)  # where there is a validation; of an average, too
                    steps, best = trainer.state.global_step, trainer.best.loss
                    return Outcome(model, tried, steps, best, trainer.curve(), trainer.skipped)
        del model, trainer  # two of them may not fit on one GPU
        gc.collect()
    raise messages.collapsed_with_every_seed(len(tried))


def mean_loss(model: nn.Module, losses: LossFunction, batches: list[Batch], compute: Compute) -> float:
    """Mean supervised loss over the cases of `batches`, without dropout."""
    model.eval()
    total, cases = 0.0, 0
    with torch.no_grad(), autocast(compute):  # inference_mode would leave caches behind that training cannot use
        for batch in batches:
            total += float(losses(model, to_device(batch, compute)).supervised.sum())
            cases += len(batch["targets"])
    return total / cases


def decay_groups(parameters: Iterable[tuple[str, nn.Parameter]], rate: float, decay: float) -> list[dict[str, Any]]:
    """Optimiser groups of one learning rate: matrices decay, biases and norms (one dimension) do not."""
    weights = [weight for _, weight in parameters if weight.requires_grad]
    return [
        {"params": [weight for weight in weights if weight.ndim > 1], "lr": rate, "weight_decay": decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "lr": rate, "weight_decay": 0.0},
    ]


def _slowed(share: float, groups: Groups, model: nn.Module) -> list[dict[str, Any]]:
    """Optimiser groups at a share of their rates."""
    return [group | {"lr": share * group["lr"]} for group in groups(model)]


class _CaseTrainer(ResumableTrainer):
    """The Trainer with steps made of micro-batches of cases."""

    def __init__(
        self,
        model: nn.Module,
        losses: LossFunction,
        data: Data,
        settings: Training,
        compute: Compute,
        constant_loss: float,
        order_seed: int,
        groups: Groups,
        folder: Path,
    ) -> None:
        self.losses, self.data, self.settings, self.compute, self.groups = losses, data, settings, compute, groups
        self.steps = Steps(
            data.lengths,
            settings.batch_size,
            settings.pool,
            order_seed,
            settings.epochs,
            data.extra,
            settings.least_steps,
        )
        self.guard, self.best = CollapseGuard(constant_loss), BestWeights(settings.early_stopping)
        self.average = AveragedWeights(settings.ema)
        callbacks = [self.guard, self.average, LateDropout(settings.dropout_from), self.best, Progress()]
        if data.validation is not None:
            callbacks.append(EpochEnds(self.steps.ends))
        super().__init__(
            folder,
            {"guard": self.guard, "best": self.best, "average": self.average},
            callbacks,
            model=model,
            args=arguments(
                folder,
                compute.device.type == "cpu",
                order_seed,
                num_train_epochs=1,  # for the Trainer: `steps` holds all epochs, which may differ in length
                learning_rate=settings.learning_rate,
                warmup_steps=settings.warmup,
                max_grad_norm=settings.clip,
                optim=_OPTIMIZERS[settings.optimizer],
                fp16=compute.dtype == torch.float16,  # only for its gradient scaler
                eval_strategy="no",  # `EpochEnds` asks for it
                remove_unused_columns=False,
            ),
            train_dataset=data.training,
            eval_dataset=data.training,
        )
        # In float16 accelerate has an autocast of its own around the model's pass, which would keep copies again.
        self.accelerator.autocast_handler = AutocastKwargs(cache_enabled=self.keeps_copies)

    @property
    def keeps_copies(self) -> bool:
        """Whether autocast keeps lower copies of weights; checkpointing makes them anew in the backward pass."""
        return not self.settings.gradient_checkpointing

    def get_train_dataloader(self) -> DataLoader[Any]:
        """All steps of the training; those that a stopped run has done are read once, since reading draws."""
        for step in islice(self.steps, self.skipped):
            self.data.collate([self.data.training[case] for case in step])
        return DataLoader(self.data.training, batch_sampler=self.steps, collate_fn=self.data.collate)

    def get_optimizer_cls_and_kwargs(self, args: Any, model: Any = None) -> tuple[Any, dict[str, Any]]:
        """The Trainer's optimiser, for our groups in the place of its own."""
        kind, options = super().get_optimizer_cls_and_kwargs(args, model)
        return kind, options | {"params": self.groups(self.model)}

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of every micro-batch; returns the mean total loss of the step's cases."""
        model.train()
        cases = sum(len(micro["targets"]) for micro in inputs)
        total, supervised = torch.zeros((), device=self.compute.device), 0.0
        for micro in inputs:
            with autocast(self.compute, keep_copies=self.keeps_copies):
                result = self.losses(model, self._prepare_inputs(micro))
            loss = result.total.sum() / cases
            self.accelerator.backward(loss)
            total += loss.detach()
            supervised += float(result.supervised.detach().sum()) / cases
        self.guard.watch(supervised)
        return total

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Mean supervised loss over the validation cases, of the averaged weights if there are any."""
        self.average.swap(self.model)
        metrics = {"eval_loss": mean_loss(self.model, self.losses, self.data.validation or [], self.compute)}
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.average.swap(self.model)
        return metrics

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: the Trainer's formula does not know packed rows."""
        return 0
