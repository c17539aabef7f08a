"""A Trainer whose run goes on, after it was stopped, as if it had not been.

On a CPU it ends with the same weights to the last bit; on a GPU, where sums have no fixed order unless
`train.deterministic` is true, it is as like an unbroken run as two of those are.

The Trainer saves and restores optimiser, schedule, gradient scaler and random state (PyTorch reads them with
`weights_only`). What is added: it saves when that is cheap, a checkpoint counts once it is whole, and the trainable
weights travel with what the callbacks remember.
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from abstractor.base.messages import training as messages
from abstractor.training.loop.callbacks import LOSSES, trainable

EIGHT_BIT = "adamw_bnb_8bit"
"""The Trainer's name of 8-bit Adam."""
_SHARE = 0.02
"""Of the time that saving may take."""
_WHOLE, _STATE = "whole-", "learner.pt"


class Stateful(Protocol):
    """Something that remembers, as PyTorch's optimisers do."""

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""


class Checkpoints(TrainerCallback):  # type: ignore[misc]
    """Has the Trainer save, marks what is whole, and removes what came before.

    Only at logging steps: there the running mean of the losses is empty, so that the curve goes on as well. So seldom
    that it takes a fiftieth of the time, since the optimiser's state of a large model takes a minute to write.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: the Trainer's output folder."""
        self.folder = folder
        self.began = self.ended = time.monotonic()
        self.cost = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save now?"""
        self.began = time.monotonic()
        control.should_save = control.should_log and self.cost <= _SHARE * (self.began - self.ended)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The checkpoint is whole now."""
        whole, written = (self.folder / f"{name}{state.global_step}" for name in (_WHOLE, "checkpoint-"))
        for path in written.iterdir():
            with path.open("rb") as file:
                os.fsync(file)  # else a power cut may leave the new name with nothing behind it
        written.rename(whole)
        for other in self.folder.iterdir():
            if other != whole:
                shutil.rmtree(other)
        self.ended = time.monotonic()
        self.cost = self.ended - self.began


class ResumableTrainer(Trainer):  # type: ignore[misc]
    """See the module."""

    def __init__(self, folder: Path, remembering: dict[str, Stateful], callbacks: list[Any], **options: Any) -> None:
        """Make the Trainer.

        Args:
            folder: where checkpoints lie, those of a stopped run included.
            remembering: name -> what is saved and restored beside model, optimiser and schedule.
            callbacks: the Trainer's.
            options: the Trainer's other arguments.
        """
        self.folder, self.remembering = folder, remembering
        self.skipped = step_of(folder)
        """Steps that a stopped run has done."""
        super().__init__(callbacks=[*callbacks, Checkpoints(folder)], **options)
        self.remove_callback(PrinterCallback)

    def run(self) -> None:
        """Train, from the last whole checkpoint where there is one."""
        if self.skipped:
            print(f"going on from step {self.skipped} of a run that was stopped", flush=True)
        self.train(resume_from_checkpoint=str(self.folder / f"{_WHOLE}{self.skipped}") if self.skipped else None)

    def curve(self) -> list[tuple[int, str, float]]:
        """(step, "training" or "validation", loss), in the order of steps."""
        rows = [(log["step"], LOSSES[key], log[key]) for log in self.state.log_history for key in LOSSES if key in log]
        return sorted(rows)

    def create_optimizer(self, model: nn.Module | None = None) -> Any:
        """The Trainer's, of a kind that leaves it to the gradient scaler to skip a step that overflowed in float16.

        A fused kernel would skip it by itself. That goes unseen, and the schedule and the averages would move on.
        """
        if self.args.optim == EIGHT_BIT:
            try:
                from bitsandbytes.optim import GlobalOptimManager
            except ImportError:
                raise messages.no_bitsandbytes() from None
            # One for the process: it would keep the model of an earlier training, and which of its weights (by their
            # place among the groups) have their state in 32 bits.
            GlobalOptimManager.get_instance().initialize()
        optimizer = super().create_optimizer(model)
        optimizer._step_supports_amp_scaling = False
        return optimizer

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the trainable weights and what is remembered; the frozen ones are where they came from."""
        assert output_dir is not None
        state = {name: thing.state_dict() for name, thing in self.remembering.items()}
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        torch.save(state | {"weights": dict(trainable(self.model))}, Path(output_dir) / _STATE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        state = torch.load(Path(resume_from_checkpoint) / _STATE, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, weight in trainable(self.model):
                weight.copy_(state["weights"][name])
        for name, thing in self.remembering.items():
            thing.load_state_dict(state[name])


def step_of(folder: Path) -> int:
    """The step of the last whole checkpoint in a folder, 0 where there is none."""
    return max((int(path.name.removeprefix(_WHOLE)) for path in folder.glob(f"{_WHOLE}*")), default=0)


def arguments(folder: Path, cpu: bool, seed: int, **options: Any) -> TrainingArguments:
    """The Trainer's arguments that every training of this project shares.

    Args:
        folder: see `ResumableTrainer`.
        cpu: whether to stay there.
        seed: of dropout.
        options: more of them.
    """
    made = TrainingArguments(
        output_dir=str(folder),
        lr_scheduler_type="linear",
        use_cpu=cpu,
        save_strategy="no",  # `Checkpoints` asks for it
        logging_strategy="steps",
        logging_steps=0.02,  # share of all steps: some fifty points a curve
        report_to=[],
        disable_tqdm=True,  # its own bar prints every log; ours does not
        seed=seed,
        **options,
    )
    # Of several GPUs one: the Trainer would cut each micro-batch up for all of them, which rows of cases do not bear.
    made._n_gpu = min(made.n_gpu, 1)
    return made
