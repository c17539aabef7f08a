"""Sequence classifiers."""

from collections.abc import Sequence
from pathlib import Path

from abstractor.base.errors import RunError


def row_too_long(backbone: str, limit: int, asked: int) -> RunError:
    return RunError(f"params.yaml: max_tokens: {backbone} reads {limit} tokens at most, found {asked}")


def no_classifier(folder: Path) -> RunError:
    return RunError(f"{folder} holds no classifier; list its model under ar in params.yaml, not sc")


def other_variables(folder: Path, dataset: str) -> RunError:
    return RunError(f"{folder} was trained for other variables than codebook {dataset}; train it again")


def no_room_for_narratives(prompt: int, least: int, found: int) -> RunError:
    return RunError(
        f"params.yaml: max_tokens: the variables take {prompt} tokens of a row; expected {least} or more, so that "
        f"narratives keep some, found {found}"
    )


def no_mask_token() -> RunError:
    return RunError("the backbone's tokenizer has no mask token; list the model under sc_1 or sc_2, not sc_3")


def no_single_tokens(words: Sequence[str]) -> RunError:
    return RunError(
        f"the backbone's tokenizer has no single token of its own for each of {', '.join(words)}; "
        "list the model under sc_1 or sc_2, not sc_3"
    )


def no_masked_head(folder: Path, kind: str) -> RunError:
    return RunError(f"{folder}: {kind} has no masked-LM head; list the model under sc_1 or sc_2, not sc_3")


def too_few_layers(found: int, asked: int) -> RunError:
    return RunError(
        f"params.yaml: frozen_layers: the backbone has {found} layers, found {asked}; lower it, or null for none"
    )


def no_list_of_layers(kind: str, count: int) -> RunError:
    return RunError(
        f"{kind} has no list of its {count} layers; set layer_decay: 1.0 and frozen_layers: null in params.yaml"
    )


def flash_needs_a_gpu(found: str) -> RunError:
    return RunError(
        "params.yaml: attention: flash: expected a CUDA device of compute capability 8.0 or more, "
        f"found {found}; set attention: auto"
    )


def no_flash() -> RunError:
    return RunError(
        "attention: flash needs the package disentangled-flash: run make setup LOCK=gpu, or set attention: auto"
    )


def flash_has_no_kernels(found: str) -> RunError:
    return RunError(
        "params.yaml: attention: flash: expected Triton, relative positions and heads of 32, 64 or 128 units, "
        f"found {found}; set attention: auto"
    )
