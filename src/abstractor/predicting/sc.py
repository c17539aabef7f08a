"""Probabilities of cases by a trained classifier: one code for out-of-fold and for new cases."""

from pathlib import Path

import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, to_device
from abstractor.models.rows.batching import alignment
from abstractor.models.sc import rows as inputs
from abstractor.models.sc.classifier import load, load_tokenizer, read
from abstractor.models.sc.columns import Layout, probabilities
from abstractor.models.sc.mask_prompt import row_builder
from abstractor.predicting.predictor import Driver, Part


def driver(codebook: Codebook, folder: Path, compute: Compute, batch_tokens: int) -> Driver:
    """A trained model-fold, ready to score.

    Args:
        codebook: the variables.
        folder: the model-fold.
        compute: device and dtype.
        batch_tokens: token budget of a forward pass.

    Raises:
        RunError: the folder holds no classifier, or one for other variables.
        SealError: the model is not what training wrote.
    """
    reading = read(folder, codebook)
    model = load(folder, reading, codebook, compute.dtype).to(compute.device)
    tokenizer = load_tokenizer(reading.backbone)
    builder = row_builder(tokenizer, codebook, reading.form, reading.max_tokens)
    layout, multiple = Layout.of(codebook), alignment(compute.device.type)

    def tokenise(cases: pd.DataFrame) -> Part:
        items = inputs.tokenise(tokenizer, codebook, cases, None)
        rows = [builder.rows(narratives) for narratives in items["narratives"]]
        targets = items["targets"]

        def score(group: list[int]) -> np.ndarray:
            batch = inputs.micro_batch(
                [rows[n] for n in group], [targets[n] for n in group], builder.special.pad, multiple
            )
            del batch["targets"]
            return probabilities(layout, model(**to_device(batch, compute))).cpu().numpy()

        return Part([max(map(len, case)) for case in rows], max(map(len, rows)), score)

    return Driver(tokenise, codebook, compute, batch_tokens)
