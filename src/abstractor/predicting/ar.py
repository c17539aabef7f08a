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
from abstractor.models.ar.reading import Design, read
from abstractor.models.ar.rows import Batcher, tokenise
from abstractor.models.shared.batching import padded
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.predicting.predictor import Part, Predictor, Shape


def predictor(codebook: Codebook, folder: Path, compute: Compute, batch_tokens: int) -> Predictor:
    """A trained model-fold, ready to predict.

    Args:
        codebook: the variables and their questions.
        folder: the model-fold.
        compute: device and dtype.
        batch_tokens: token budget of a forward pass.

    Raises:
        SealError: the adapter is not what training wrote.
        ModelError: the folder holds no language model or one for other variables, or the adapter does not fit.
        PromptError: tokenizer, template and codebook do not fit together.
    """
    reading = read(folder, codebook)
    model = loading.load(folder, load_base(reading, compute))
    return predictor_of(model, reading, codebook, compute, batch_tokens)


def load_base(reading: Design, compute: Compute) -> Any:
    """The backbone that a model's adapters go on.

    Args:
        reading: of the model.
        compute: device and dtype.

    Raises:
        ModelError: it cannot be loaded as the model was trained.
    """
    backbone = backbone_folder(reading.backbone)
    return loading.load_base(backbone, compute.dtype, compute.device, reading.attention, reading.quantize)


def predictor_of(model: Any, reading: Design, codebook: Codebook, compute: Compute, batch_tokens: int) -> Predictor:
    """A loaded model-fold, ready to predict.

    Args:
        model: an adapter of the model on its backbone (`loading.load`).
        reading: of the model.
        codebook: the variables and their questions.
        compute: device and dtype.
        batch_tokens: token budget of a forward pass.

    Raises:
        ModelError: the model computes something else for packed rows, or has too few positions.
        PromptError: tokenizer, template and codebook do not fit together.
    """
    tokenizer = load_tokenizer(backbone_folder(reading.backbone))
    prompts = Prompts(tokenizer, codebook, reading.max_tokens, reading.system, reading.questions)
    batcher = Batcher.of(reading.layout, prompts, tokenizer, batch_tokens, compute)
    example = prompts.prefix(["reported"] * len(codebook.narratives))
    check_prompts(model, example, prompts.suffixes, prompts.longest, batcher.packed)

    def read_cases(cases: pd.DataFrame) -> Part:
        prefixes = tokenise(prompts, codebook, cases, None)["prefix"]

        shapes = [Shape(padded(length), batcher.rows_a_case) for length in batcher.lengths(prefixes)]

        def score(group: list[int], length: int) -> np.ndarray:
            logits = answer_logits(model, batcher.batch([prefixes[n] for n in group], length), prompts.answers)
            return probabilities(logits, codebook)

        return Part(shapes, score)

    return Predictor(read_cases, codebook, compute, batch_tokens)
