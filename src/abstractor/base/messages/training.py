"""Training, whatever the model."""

from abstractor.base.errors import RunError


class Collapsed(Exception):
    """Training fell back to a constant prediction, or its loss is not finite; it starts again with another seed."""


def loss_is_not_finite() -> Collapsed:
    return Collapsed("the loss is not finite")


def loss_is_back(smoothed: float, constant: float) -> Collapsed:
    return Collapsed(f"smoothed loss back at {smoothed:.3f}; a constant predictor has {constant:.3f}")


def collapsed_with_every_seed(tried: int) -> RunError:
    return RunError(f"training collapsed with all of {tried} initialisation seeds; lower learning_rate or raise warmup")


def unsloth_takes_no_packed_rows() -> ValueError:
    return ValueError("unsloth cannot train packed questions; set layout: separate, or engine: transformers")


def unsloth_trains_the_whole_head() -> ValueError:
    return ValueError("unsloth would train all of lm_head; leave it out of targets, or set engine: transformers")


def flash_reads_past_adapters() -> ValueError:
    return ValueError("flash reads the weights under an adapter, not the adapter; set lora: null, or attention: auto")
