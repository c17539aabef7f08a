"""Language models."""

from collections.abc import Iterable
from pathlib import Path

from abstractor.base.errors import UserError


class ModelError(UserError):
    """A language model cannot be loaded, adapted or used as params.yaml asks."""


def no_output_layer(kind: str) -> ModelError:
    return ModelError(f"model type {kind} does not call its output layer; choose another backbone")


def attention_takes_no_mask(attention: str) -> ModelError:
    return ModelError(f"{attention} takes no mask of packed questions; set attention: sdpa or eager")


def longer_than_the_window(kind: str, window: int, span: int) -> ModelError:
    return ModelError(
        f"model type {kind} mixes full attention with a window of {window} tokens, and a prompt has {span}; "
        "lower max_tokens or set layout: separate"
    )


def prompt_too_long(longest: int, limit: int) -> ModelError:
    return ModelError(f"the longest prompt has {longest} tokens, the model {limit} positions; lower max_tokens")


def layouts_differ(kind: str, difference: float) -> ModelError:
    return ModelError(
        f"model type {kind} gives packed questions other logits than single ones (by {difference:.2g} standard "
        "deviations); set layout: separate"
    )


def no_numbers(kind: str, dtype: str) -> ModelError:
    return ModelError(f"model type {kind} gives no numbers in {dtype}; set train.dtype or infer.dtype to another one")


def layers_that_no_mask_parts(kind: str, layers: Iterable[str]) -> ModelError:
    return ModelError(
        f"model type {kind} has layers that no mask can part ({', '.join(sorted(layers))}); set layout: separate"
    )


def no_config(folder: Path) -> ModelError:
    return ModelError(f"{folder} holds no config.json; run the stage that fetches the backbone, or `dvc pull {folder}`")


def no_causal_model(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"{folder} holds no causal language model ({type(error).__name__}); choose another backbone")


def no_such_layer(target: str, layers: Iterable[str]) -> ModelError:
    return ModelError(f"lora.targets: the model has no layer {target!r}; it has {', '.join(sorted(layers))}")


def adapter_does_not_fit(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"{folder}: the adapter does not fit its backbone ({type(error).__name__}); train it again")


def package_missing(asked: str, package: str, instead: str) -> ModelError:
    return ModelError(f"{asked} needs the package {package}: run make setup LOCK=gpu, or set {instead}")


def package_cannot_start(asked: str, package: str, error: Exception, instead: str) -> ModelError:
    return ModelError(f"{asked}: {package} cannot start here ({type(error).__name__}: no GPU?); set {instead}")


def no_language_model(folder: Path) -> ModelError:
    return ModelError(
        f"{folder} holds no language model that says how it reads a case; list a classifier under sc in params.yaml, "
        "and train again what was trained before version 0.2.0"
    )


def unknown_reading(folder: Path) -> ModelError:
    return ModelError(
        f"{folder} was trained by a version of this project that has a model read its cases in another way; train it "
        "again, or predict with the code that trained it"
    )


def other_variables(folder: Path, dataset: str) -> ModelError:
    return ModelError(f"{folder} was trained for other variables than codebook {dataset}; train it again")
