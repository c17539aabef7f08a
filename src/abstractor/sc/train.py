"""Trains one sequence classifier on one fold's training part."""

from itertools import count
from typing import Any

import pandas as pd
import torch
from torch import nn

from abstractor.batching import alignment
from abstractor.codebook import Codebook
from abstractor.folds import stratified_slice
from abstractor.runs import Compute, derive_seed
from abstractor.sc import inputs
from abstractor.sc.layout import Layout
from abstractor.sc.losses import constant_loss, rdrop_loss, supervised_loss
from abstractor.sc.masked import row_builder, verbalizer
from abstractor.sc.model import Classifier, build, build_masked, load_tokenizer
from abstractor.sc.params import ScModel
from abstractor.sc.readout import MaskedClassifier
from abstractor.training import Data, Losses, LossFunction, Outcome, Schedule, decay_groups, fit


def train(
    params: ScModel,
    rdrop: float,
    form: str,
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    compute: Compute,
    seed_of: tuple[int, str, int],
) -> Outcome:
    """Fine-tune a classifier.

    Args:
        params: of the model.
        rdrop: weight of R-Drop; 0 turns it off.
        form: concatenated (SC1), apart (SC2) or masked (SC3).
        codebook: the variables.
        cases: training part of the fold, index uid.
        labels: their codes, index uid.
        compute: device and dtype.
        seed_of: global seed, model name, fold: what the seeds are derived from.

    Raises:
        RunError: training collapsed with every allowed seed, or the backbone cannot do what `params` ask for.
    """
    layout = Layout.of(codebook)
    tokenizer = load_tokenizer(params.backbone)
    builder = row_builder(tokenizer, codebook, form, params.max_tokens)
    order_seed = derive_seed(*seed_of, params.seed, "order")
    multiple = alignment(compute.device.type)
    data = _data(params, rdrop, codebook, tokenizer, builder, cases, labels, order_seed, multiple)
    targets = torch.tensor(inputs.code_indices(codebook, labels, cases.index))
    words = verbalizer(tokenizer, codebook) if form == "masked" else None

    def fresh(_: int) -> nn.Module:
        if words is not None:
            return build_masked(params, words, compute.dtype)
        return build(params, len(codebook.columns), compute.dtype)

    return fit(
        fresh,
        loss_function(params, rdrop, layout),
        data,
        Schedule(
            epochs=params.epochs,
            batch_size=params.batch_size,
            pool=params.pool,
            learning_rate=params.learning_rate,
            warmup=params.warmup,
            clip=params.clip,
            early_stopping=params.early_stopping,
            optimizer=params.optimizer,
            restarts=params.restarts,
        ),
        compute,
        constant_loss(layout, targets, params.binary_weight, params.categorical_weight),
        (derive_seed(*seed_of, params.seed, "initialisation", attempt) for attempt in count()),
        order_seed,
        lambda model: optimiser_groups(model, params),
    )


def loss_function(params: ScModel, rdrop: float, layout: Layout) -> LossFunction:
    """The loss of a micro-batch: supervised, plus R-Drop while training (both passes in one doubled batch)."""
    weights = (params.binary_weight, params.categorical_weight)

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        labels, rows = batch["labels"], {key: value for key, value in batch.items() if key != "labels"}
        if rdrop == 0 or not model.training:
            loss = supervised_loss(layout, model(**rows), labels, *weights)
            return Losses(loss, loss)
        doubled = {key: torch.cat([value, value]) for key, value in rows.items()}
        doubled["case"][len(rows["case"]) :] += len(labels)
        first, second = model(**doubled).chunk(2)
        loss = (
            supervised_loss(layout, first, labels, *weights) + supervised_loss(layout, second, labels, *weights)
        ) / 2
        return Losses(loss + rdrop * rdrop_loss(layout, first, second, params.rdrop_form), loss)

    return losses


def optimiser_groups(model: nn.Module, params: ScModel) -> list[dict[str, Any]]:
    """The backbone at its rate, the new head at its own."""
    assert isinstance(model, Classifier | MaskedClassifier)
    backbone, head = model.parts()
    return [
        *decay_groups(backbone, params.learning_rate, params.weight_decay),
        *decay_groups(head, params.head_learning_rate, params.weight_decay),
    ]


def _data(
    params: ScModel,
    rdrop: float,
    codebook: Codebook,
    tokenizer: Any,
    builder: inputs.RowBuilder,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    seed: int,
    multiple: int,
) -> Data:
    held = stratified_slice(codebook, labels, max(1, len(cases) // 10), seed) if params.early_stopping else pd.Index([])
    training = inputs.tokenise(tokenizer, codebook, cases[~cases.index.isin(held)], labels)
    lengths = [max(map(len, builder.rows(narratives))) for narratives in training["narratives"]]
    collate = inputs.collator(builder, params.micro_tokens, 1 if rdrop == 0 else 2, params.swap, seed, multiple)
    validation = None
    if len(held):
        unswapped = inputs.collator(builder, params.micro_tokens, 1, 0.0, seed, multiple)
        validation = unswapped(list(inputs.tokenise(tokenizer, codebook, cases.loc[held], labels)))
    return Data(training, lengths, collate, validation)
