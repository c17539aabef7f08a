"""Probabilities of cases by a trained language model: one code for out-of-fold and for new cases."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from abstractor import predictions
from abstractor.ar import adapters
from abstractor.ar.inputs import Batcher, tokenise
from abstractor.ar.model import answer_logits, check_prompts, probabilities
from abstractor.ar.params import ArModel
from abstractor.ar.prompts import Prompts
from abstractor.codebook import Codebook
from abstractor.pretrained import backbone_folder
from abstractor.runs import Compute, autocast


def predict(
    params: ArModel, codebook: Codebook, folder: Path, cases: pd.DataFrame, compute: Compute, batch_tokens: int
) -> pd.DataFrame:
    """Predict cases.

    Args:
        params: of the model.
        codebook: the variables and their questions.
        folder: the trained model-fold.
        cases: index uid.
        compute: device and dtype.
        batch_tokens: token budget of a forward pass.

    Returns:
        A predictions table (see `abstractor.predictions`).

    Raises:
        ModelError: the adapter is missing or does not fit, or the model cannot do what params.yaml asks.
        PromptError: tokenizer, template and codebook do not fit together.
    """
    backbone = backbone_folder(params.backbone)
    tokenizer = adapters.load_tokenizer(backbone)
    base = adapters.load_base(backbone, compute.dtype, compute.device, params.attention, params.quantize)
    model = adapters.load(folder, base)
    prompts = Prompts(tokenizer, codebook, params.max_tokens, params.system)
    batcher = Batcher.of(params, prompts, tokenizer, batch_tokens, compute)
    example = prompts.prefix(["reported"] * len(codebook.narratives))
    check_prompts(model, example, prompts.suffixes, prompts.longest, batcher.packed)
    prefixes = tokenise(prompts, codebook, cases, None)["prefix"]
    result = np.empty((len(cases), len(codebook.columns)), dtype=np.float32)
    with (
        torch.inference_mode(),
        autocast(compute),
        tqdm(total=len(cases), desc=f"predict {folder}", unit="case") as bar,
    ):
        for group in batcher.groups(prefixes):
            logits = answer_logits(model, batcher.batch([prefixes[n] for n in group]), prompts.answers)
            result[group] = probabilities(logits, codebook)
            bar.update(len(group))
    return predictions.table(codebook, list(cases.index), result)
