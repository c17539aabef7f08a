"""Trains one sequence classifier on one fold's training part."""

from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from abstractor.batching import alignment
from abstractor.codebook import Codebook
from abstractor.folds import stratified_slice
from abstractor.runs import Compute, derive_seed
from abstractor.sc import depth, inputs
from abstractor.sc.layout import Layout
from abstractor.sc.losses import Terms, constant_loss, rdrop_loss, supervised_loss
from abstractor.sc.model import Classifier, build, load_tokenizer
from abstractor.sc.params import ScModel
from abstractor.targets import likeliest
from abstractor.training import Data, Losses, LossFunction, Outcome, Schedule, decay_groups, fit


def train(
    params: ScModel,
    rdrop: float,
    form: str,
    codebook: Codebook,
    cases: pd.DataFrame,
    targets: pd.DataFrame,
    compute: Compute,
    seed_of: tuple[int, str, int],
) -> Outcome:
    """Fine-tune a classifier.

    Args:
        params: of the model.
        rdrop: weight of R-Drop; 0 turns it off.
        form: concatenated (SC1) or apart (SC2).
        codebook: the variables.
        cases: training part of the fold, index uid.
        targets: theirs, index uid, as `abstractor.targets` makes them.
        compute: device and dtype.
        seed_of: global seed, model name, fold: what the seeds are derived from.

    Raises:
        RunError: training collapsed with every allowed seed, or the backbone has fewer layers than are to be frozen.
    """
    layout = Layout.of(codebook)
    tokenizer = load_tokenizer(params.backbone)
    builder = inputs.RowBuilder(tokenizer, codebook, form, params.max_tokens)
    order_seed = derive_seed(*seed_of, params.seed, "order")
    multiple = alignment(compute.device.type)
    data = _data(params, rdrop, codebook, tokenizer, builder, cases, targets, order_seed, multiple)
    known = torch.tensor(targets.loc[cases.index, list(codebook.columns)].to_numpy(np.float32))
    return fit(
        lambda _: learner(params, len(codebook.columns), compute.dtype),
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
            ema=params.ema,
            dropout_from=params.dropout_from,
        ),
        compute,
        constant_loss(layout, known, terms(params)),
        (derive_seed(*seed_of, params.seed, "initialisation", attempt) for attempt in count()),
        order_seed,
        lambda model: optimiser_groups(model, params),
    )


def terms(params: ScModel) -> Terms:
    """What the supervised loss of a model adds up."""
    return Terms(
        binary=params.binary_weight,
        categorical=params.categorical_weight,
        lovasz=params.lovasz_weight,
        focal=params.focal,
        smoothing=params.label_smoothing,
    )


def learner(params: ScModel, outputs: int, dtype: torch.dtype) -> Classifier:
    """A classifier to train, its lowest layers frozen if params say so; see `sc.model.build`.

    Raises:
        RunError: the backbone has fewer layers than are to be frozen.
    """
    model = build(params, outputs, dtype)
    if params.frozen_layers is not None:
        depth.freeze(model.backbone, params.frozen_layers)
    return model


def loss_function(params: ScModel, rdrop: float, layout: Layout) -> LossFunction:
    """The loss of a micro-batch: supervised, plus R-Drop while training (both passes in one doubled batch)."""
    added = terms(params)

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        targets, rows = batch["targets"], {key: value for key, value in batch.items() if key != "targets"}
        if rdrop == 0 or not model.training:
            loss = supervised_loss(layout, model(**rows), targets, added)
            return Losses(loss, loss)
        doubled = {key: torch.cat([value, value]) for key, value in rows.items()}
        doubled["case"][len(rows["case"]) :] += len(targets)
        first, second = model(**doubled).chunk(2)
        loss = (supervised_loss(layout, first, targets, added) + supervised_loss(layout, second, targets, added)) / 2
        return Losses(loss + rdrop * rdrop_loss(layout, first, second, params.rdrop_form), loss)

    return losses


def optimiser_groups(model: nn.Module, params: ScModel) -> list[dict[str, Any]]:
    """The backbone at its rate, falling with depth by `layer_decay`, the new head at a rate of its own."""
    assert isinstance(model, Classifier)
    parts = depth.rates(model.backbone, params.learning_rate, params.layer_decay)
    parts += [(params.head_learning_rate, list(model.head.named_parameters()))]
    return [group for rate, weights in parts for group in decay_groups(weights, rate, params.weight_decay)]


def _data(
    params: ScModel,
    rdrop: float,
    codebook: Codebook,
    tokenizer: Any,
    builder: inputs.RowBuilder,
    cases: pd.DataFrame,
    targets: pd.DataFrame,
    seed: int,
    multiple: int,
) -> Data:
    held = pd.Index([])
    if params.early_stopping:
        held = stratified_slice(codebook, likeliest(codebook, targets), max(1, len(cases) // 10), seed)
    training = inputs.tokenise(tokenizer, codebook, cases[~cases.index.isin(held)], targets)
    lengths = [max(map(len, builder.rows(narratives))) for narratives in training["narratives"]]
    collate = inputs.collator(builder, params.micro_tokens, 1 if rdrop == 0 else 2, params.swap, seed, multiple)
    validation = None
    if len(held):
        unswapped = inputs.collator(builder, params.micro_tokens, 1, 0.0, seed, multiple)
        validation = unswapped(list(inputs.tokenise(tokenizer, codebook, cases.loc[held], targets)))
    return Data(training, lengths, collate, validation)
