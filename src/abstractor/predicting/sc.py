"""Probabilities of cases by a trained classifier: one code for out-of-fold and for new cases."""

from pathlib import Path

import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, to_device
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.columns import Layout, probabilities
from abstractor.models.sc.forms import FORMS, load
from abstractor.models.sc.reading import read
from abstractor.models.sc.rows import micro_batch, tokenise
from abstractor.models.shared.batching import padded
from abstractor.predicting.predictor import Part, Predictor, Shape


def predictor(codebook: Codebook, folder: Path, compute: Compute, batch_tokens: int) -> Predictor:
    """A trained model-fold, ready to predict.

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
    builder = FORMS[reading.form].rows(tokenizer, codebook, reading.max_tokens)
    layout = Layout.of(codebook)

    def read_cases(cases: pd.DataFrame) -> Part:
        items = tokenise(tokenizer, codebook, cases, None)
        rows = [builder.rows(narratives) for narratives in items["narratives"]]
        targets = items["targets"]

        # Not beyond what the backbone has positions for.
        shapes = [Shape(min(padded(max(map(len, case))), builder.max_tokens), len(case)) for case in rows]

        def score(group: list[int], length: int) -> np.ndarray:
            batch = micro_batch([rows[n] for n in group], [targets[n] for n in group], builder.special.pad, length)
            del batch["targets"]
            return probabilities(layout, model(**to_device(batch, compute))).cpu().numpy()

        return Part(shapes, score)

    return Predictor(read_cases, codebook, compute, batch_tokens)
