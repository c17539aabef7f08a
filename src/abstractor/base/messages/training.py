"""Training, whatever the model."""

from collections.abc import Sequence

from abstractor.base.errors import RunError


class Collapsed(Exception):
    """Training fell back to a constant prediction, or its loss is not finite; it starts again with another seed."""


def loss_is_not_finite() -> Collapsed:
    return Collapsed("the loss is not finite")


def loss_is_back(smoothed: float, constant: float) -> Collapsed:
    return Collapsed(f"smoothed loss back at {smoothed:.3f}; a constant predictor has {constant:.3f}")


def loss_never_left(smoothed: float, constant: float) -> Collapsed:
    return Collapsed(f"smoothed loss ends at {smoothed:.3f}, never far below a constant predictor's {constant:.3f}")


def collapsed_with_every_seed(tried: int) -> RunError:
    return RunError(
        f"training collapsed with all of {tried} initialisation seeds; lower learning_rate, raise warmup, "
        "or train on more cases or for more epochs"
    )


def step_does_not_fit(kept: int, there: int, helps: Sequence[str]) -> RunError:
    return RunError(
        "memory ran out in training; weights, gradients and the optimiser's moments take "
        f"{kept / 1e9:.1f} of {there / 1e9:.1f} GB; {', or '.join([*helps, 'take a larger machine'])}, "
        "and run the same command again"
    )


def training_never_fits(kept: int, there: int, helps: Sequence[str]) -> RunError:
    return RunError(
        "memory ran out in training; expected room for weights, gradients and the optimiser's moments, "
        f"{kept / 1e9:.1f} GB whatever the size of a step, found {there / 1e9:.1f} GB in all; "
        f"{', or '.join([*helps, 'take a smaller backbone or a larger machine'])}"
    )


def no_bitsandbytes() -> RunError:
    return RunError(
        "optimizer: adamw_8bit needs the package bitsandbytes: run make setup LOCK=gpu, or set optimizer: adamw"
    )


def no_deterministic_kernel(name: str) -> RunError:
    return RunError(
        f"params.yaml: train.deterministic: true, but PyTorch's {name} adds up in no fixed order; set it to false"
    )


def unsloth_takes_no_packed_rows() -> ValueError:
    return ValueError("unsloth cannot train packed questions; set layout: separate, or engine: transformers")


def unsloth_trains_the_whole_head() -> ValueError:
    return ValueError("unsloth would train all of lm_head; leave it out of targets, or set engine: transformers")


def flash_reads_past_adapters() -> ValueError:
    return ValueError("flash reads the weights under an adapter, not the adapter; set lora: null, or attention: auto")
