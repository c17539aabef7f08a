"""Probabilities of cases by a trained language model: one code for out-of-fold and for new cases."""

from pathlib import Path

import numpy as np
import pandas as pd

from abstractor.ar import adapters
from abstractor.ar.inputs import Batcher, tokenise
from abstractor.ar.model import answer_logits, check_prompts, probabilities
from abstractor.ar.params import ArModel
from abstractor.ar.prompts import Prompts
from abstractor.codebook import Codebook
from abstractor.pretrained import backbone_folder, check_backbone
from abstractor.runs import Compute
from abstractor.scoring import Driver, Part


def driver(params: ArModel, codebook: Codebook, folder: Path, compute: Compute, batch_tokens: int) -> Driver:
    """A trained model-fold, ready to score.

    Args:
        params: of the model.
        codebook: the variables and their questions.
        folder: the model-fold.
        compute: device and dtype.
        batch_tokens: token budget of a forward pass.

    Raises:
        SealError: the adapter or its backbone is not what training wrote and read.
        ModelError: the adapter does not fit, or the model cannot do what params.yaml asks.
        PromptError: tokenizer, template and codebook do not fit together.
    """
    check_backbone(params.backbone, folder.parent / "backbone.json")
    backbone = backbone_folder(params.backbone)
    tokenizer = adapters.load_tokenizer(backbone)
    base = adapters.load_base(backbone, compute.dtype, compute.device, params.attention, params.quantize)
    model = adapters.load(folder, base)
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
