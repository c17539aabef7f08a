"""Probabilities of cases by a trained classifier: one code for out-of-fold and for new cases."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from abstractor import predictions
from abstractor.batching import by_budget
from abstractor.codebook import Codebook
from abstractor.runs import Compute, autocast, to_device
from abstractor.sc import inputs
from abstractor.sc.layout import Layout, probabilities
from abstractor.sc.model import load, load_tokenizer


def predict(
    codebook: Codebook,
    folder: Path,
    cases: pd.DataFrame,
    compute: Compute,
    batch_tokens: int,
) -> pd.DataFrame:
    """Predict cases.

    Args:
        codebook: the variables.
        folder: the trained model-fold.
        cases: index uid.
        compute: device and dtype.
        batch_tokens: token budget of a forward pass.

    Returns:
        A predictions table (see `abstractor.predictions`).
    """
    model, reading = load(folder, codebook)
    model.to(compute.device)
    tokenizer = load_tokenizer(reading.backbone)
    builder = inputs.RowBuilder(tokenizer, codebook, reading.form, reading.max_tokens)
    items = inputs.tokenise(tokenizer, codebook, cases, None)
    rows = [builder.rows(narratives) for narratives in items["narratives"]]
    groups = by_budget([max(map(len, case)) for case in rows], batch_tokens / max(map(len, rows)))
    layout, result = Layout.of(codebook), np.empty((len(cases), len(codebook.columns)), dtype=np.float32)
    with (
        torch.inference_mode(),
        autocast(compute),
        tqdm(total=len(cases), desc=f"predict {folder}", unit="case") as bar,
    ):
        for group in groups:
            batch = inputs.micro_batch(
                [rows[n] for n in group], [items[n]["labels"] for n in group], builder.special.pad
            )
            del batch["labels"]
            result[group] = probabilities(layout, model(**to_device(batch, compute))).cpu().numpy()
            bar.update(len(group))
    return predictions.table(codebook, list(cases.index), result)
