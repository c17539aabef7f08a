"""Probabilities of cases by a trained language model: one code for out-of-fold and for new cases."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.ar import loading
from abstractor.models.ar.answers import answer_logits, check_prompts, probabilities
from abstractor.models.ar.prompts import Prompts
from abstractor.models.ar.rows import Batcher, tokenise
from abstractor.models.backbones.local import backbone_folder
from abstractor.predicting.predictor import Driver, Part
from abstractor.training.ar.settings import ArModel


def driver(params: ArModel, codebook: Codebook, folder: Path, compute: Compute, batch_tokens: int) -> Driver:
    """A trained model-fold, ready to score; the arguments are those of `load_base` and `driver_of`.

    Raises:
        SealError: the adapter is not what training wrote.
        ModelError: the adapter does not fit, or the model cannot do what params.yaml asks.
        PromptError: tokenizer, template and codebook do not fit together.
    """
    return driver_of(loading.load(folder, load_base(params, compute)), params, codebook, compute, batch_tokens)


def load_base(params: ArModel, compute: Compute) -> Any:
    """The backbone that a model's adapters go on.

    Args:
        params: of the model.
        compute: device and dtype.

    Raises:
        ModelError: it cannot be loaded as params.yaml asks.
    """
    backbone = backbone_folder(params.backbone)
    return loading.load_base(backbone, compute.dtype, compute.device, params.attention, params.quantize)


def driver_of(model: Any, params: ArModel, codebook: Codebook, compute: Compute, batch_tokens: int) -> Driver:
    """A loaded model-fold, ready to score.

    Args:
        model: an adapter of the model on its backbone (`adapters.load`).
        params: of the model.
        codebook: the variables and their questions.
        compute: device and dtype.
        batch_tokens: token budget of a forward pass.

    Raises:
        ModelError: the model cannot do what params.yaml asks.
        PromptError: tokenizer, template and codebook do not fit together.
    """
    tokenizer = loading.load_tokenizer(backbone_folder(params.backbone))
    prompts = Prompts(tokenizer, codebook, params.max_tokens, params.system)
    batcher = Batcher.of(params, prompts, tokenizer, batch_tokens, compute)
    example = prompts.prefix(["reported"] * len(codebook.narratives))
    check_prompts(model, example, prompts.suffixes, prompts.longest, batcher.packed)

    def read(cases: pd.DataFrame) -> Part:
        prefixes = tokenise(prompts, codebook, cases, None)["prefix"]

        def score(group: list[int]) -> np.ndarray:
            logits = answer_logits(model, batcher.batch([prefixes[n] for n in group]), prompts.answers)
            return probabilities(logits, codebook)

        return Part(batcher.lengths(prefixes), batcher.rows_a_case, score)

    return Driver(read, codebook, compute, batch_tokens)
