"""Trains one sequence classifier on one fold's training part."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from abstractor.data.cases.codebook import Codebook
from abstractor.data.folds import stratified_slice
from abstractor.machine.compute import Compute
from abstractor.machine.seeds import derive_seed
from abstractor.models.rows.batching import alignment
from abstractor.models.sc import rows as inputs
from abstractor.models.sc.classifier import Classifier, build, build_masked, load_tokenizer
from abstractor.models.sc.columns import Layout
from abstractor.models.sc.mask_classifier import MaskedClassifier
from abstractor.models.sc.mask_prompt import Verbalizer, row_builder, verbalizer
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import likeliest
from abstractor.training.loop.fit import Data, Losses, LossFunction, Outcome, Schedule, decay_groups, fit
from abstractor.training.loop.steps import Extra
from abstractor.training.sc import layer_rates
from abstractor.training.sc.losses import Terms, constant_loss, rdrop_loss, supervised_loss
from abstractor.training.sc.settings import ScModel


def train(
    params: ScModel,
    rdrop: float,
    form: str,
    codebook: Codebook,
    examples: Examples,
    compute: Compute,
    seed_of: tuple[int, str, int],
    checkpoints: Path | None = None,
) -> Outcome:
    """Fine-tune a classifier.

    Args:
        params: of the model.
        rdrop: weight of R-Drop; 0 turns it off.
        form: concatenated (SC1), apart (SC2) or masked (SC3).
        codebook: the variables.
        examples: what the fold learns from.
        compute: device and dtype.
        seed_of: global seed, model name, fold: what the seeds are derived from.
        checkpoints: see `training.fit`.

    Raises:
        RunError: training collapsed with every allowed seed, or the backbone cannot do what `params` ask for.
    """
    layout = Layout.of(codebook)
    tokenizer = load_tokenizer(params.backbone)
    builder = row_builder(tokenizer, codebook, form, params.max_tokens)
    order_seed = derive_seed(*seed_of, params.seed, "order")
    data = _data(params, rdrop, codebook, tokenizer, builder, examples, order_seed, alignment(compute.device.type))
    words = verbalizer(tokenizer, codebook) if form == "masked" else None
    return fit(
        lambda _: learner(params, len(codebook.columns), compute.dtype, words),
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
        constant_loss(layout, torch.tensor(examples.targets.to_numpy(np.float32)), terms(params)),
        (derive_seed(*seed_of, params.seed, "initialisation", attempt) for attempt in count()),
        order_seed,
        lambda model: optimiser_groups(model, params),
        checkpoints,
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


def learner(
    params: ScModel, outputs: int, dtype: torch.dtype, words: Verbalizer | None = None
) -> Classifier | MaskedClassifier:
    """A classifier to train, its lowest layers frozen if params say so; see `sc.model.build` and `build_masked`.

    Args:
        params: of the model.
        outputs: of the head.
        dtype: of the arithmetic.
        words: which tokens answer (SC3); None: a linear head does.

    Raises:
        RunError: the backbone has fewer layers than are to be frozen.
    """
    model = build(params, outputs, dtype) if words is None else build_masked(params, words, dtype)
    if params.frozen_layers is not None:
        layer_rates.freeze(model.backbone, params.frozen_layers)
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
    assert isinstance(model, Classifier | MaskedClassifier)
    head = model.parts()[1]
    new = {id(weight) for _, weight in head}
    rates = layer_rates.rates(model.backbone, params.learning_rate, params.layer_decay)
    parts = [(rate, [(name, weight) for name, weight in named if id(weight) not in new]) for rate, named in rates]
    parts.append((params.head_learning_rate, head))
    return [group for rate, weights in parts for group in decay_groups(weights, rate, params.weight_decay)]


def _data(
    params: ScModel,
    rdrop: float,
    codebook: Codebook,
    tokenizer: Any,
    builder: inputs.RowBuilder,
    examples: Examples,
    seed: int,
    multiple: int,
) -> Data:
    coded, held = examples.coded, pd.Index([])
    if params.early_stopping:
        labels = likeliest(codebook, examples.targets.loc[coded])
        held = stratified_slice(codebook, labels, max(1, len(coded) // 10), seed)
    learned = coded.difference(held)
    used = examples.cases.loc[[*learned, *examples.made]]
    training = inputs.tokenise(tokenizer, codebook, used, examples.targets, examples.rewritten)
    lengths = [max(map(len, builder.rows(narratives))) for narratives in training["narratives"]]
    copies, augmentation = 1 if rdrop == 0 else 2, inputs.Augmentation(params.swap, params.rewrite, seed)
    collate = inputs.collator(builder, params.micro_tokens, copies, augmentation, multiple)
    validation = None
    if len(held):
        as_it_stands = inputs.collator(builder, params.micro_tokens, 1, multiple=multiple)
        validation = as_it_stands(
            list(inputs.tokenise(tokenizer, codebook, examples.cases.loc[held], examples.targets))
        )
    extra = Extra(range(len(learned), len(used)), params.made_ratio, params.made_epochs)
    return Data(training, lengths, collate, validation, extra)
