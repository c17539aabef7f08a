"""Training, whatever the model."""

from abstractor.base.errors import RunError


def collapsed_with_every_seed(tried: int) -> RunError:
    return RunError(f"training collapsed with all of {tried} initialisation seeds; lower learning_rate or raise warmup")


def unsloth_takes_no_packed_rows() -> ValueError:
    return ValueError("unsloth cannot train packed questions; set layout: separate, or engine: transformers")


def unsloth_trains_the_whole_head() -> ValueError:
    return ValueError("unsloth would train all of lm_head; leave it out of targets, or set engine: transformers")
