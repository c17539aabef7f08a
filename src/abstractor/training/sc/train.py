"""Trains one sequence classifier on one fold's training part."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from abstractor.base.members import Training
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.machine.seeds import derive_seed
from abstractor.models.sc import flash
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.classifier import SequenceClassifier
from abstractor.models.sc.columns import Layout
from abstractor.models.sc.forms import FORMS
from abstractor.models.sc.rows import Augmentation, RowBuilder, collator, tokenise
from abstractor.models.shared.batching import alignment
from abstractor.training.lessons.examples import Examples
from abstractor.training.loop.fit import Data, Losses, LossFunction, Outcome, decay_groups, fit
from abstractor.training.loop.split import split
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
    seed_of: tuple[int, str, Training],
    checkpoints: Path | None = None,
) -> Outcome:
    """Fine-tune a classifier.

    Args:
        params: of the model.
        rdrop: weight of R-Drop; 0 turns it off.
        form: a key of `forms.FORMS`.
        codebook: the variables.
        examples: what the fold learns from.
        compute: device and dtype.
        seed_of: global seed, model name, fold: what the seeds are derived from.
        checkpoints: see `training.fit`.

    Raises:
        RunError: training collapsed with every allowed seed, or the backbone or the device cannot do what `params`
            ask for.
    """
    if params.attention == "flash":
        flash.check(compute.device)
    layout = Layout.of(codebook)
    tokenizer = load_tokenizer(params.backbone)
    builder = FORMS[form].rows(tokenizer, codebook, params.max_tokens)
    order_seed = derive_seed(*seed_of, params.seed, "order")
    data = _data(params, rdrop, codebook, tokenizer, builder, examples, order_seed, alignment(compute.device.type))
    return fit(
        lambda _: learner(params, form, codebook, compute.dtype),
        loss_function(params, rdrop, layout),
        data,
        params,
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


def learner(params: ScModel, form: str, codebook: Codebook, dtype: torch.dtype) -> SequenceClassifier:
    """A classifier to train, its lowest layers frozen if params say so; see `forms.Form.build`.

    Raises:
        RunError: the backbone has fewer layers than are to be frozen.
    """
    model = FORMS[form].build(params, codebook, dtype)
    if params.frozen_layers is not None:
        layer_rates.freeze(model.backbone, params.frozen_layers)
    return model


def loss_function(params: ScModel, rdrop: float, layout: Layout) -> LossFunction:
    """The loss of a micro-batch: supervised, plus R-Drop while training (both passes in one doubled batch).

    Either is the mean over a case's samples of dropout (arXiv 1905.09788), not the loss of their mean logits.
    """
    added = terms(params)

    def supervised(logits: Tensor, targets: Tensor) -> Tensor:
        repeated = targets.repeat_interleave(len(logits) // len(targets), dim=0)
        return _of_cases(supervised_loss(layout, logits, repeated, added), len(targets))

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        targets, rows = batch["targets"], {key: value for key, value in batch.items() if key != "targets"}
        if rdrop == 0 or not model.training:
            loss = supervised(model(**rows), targets)
            return Losses(loss, loss)
        doubled = {key: torch.cat([value, value]) for key, value in rows.items()}
        doubled["case"][len(rows["case"]) :] += len(targets)
        first, second = model(**doubled).chunk(2)
        loss = (supervised(first, targets) + supervised(second, targets)) / 2
        apart = _of_cases(rdrop_loss(layout, first, second, params.rdrop_form), len(targets))
        return Losses(loss + rdrop * apart, loss)

    return losses


def _of_cases(losses: Tensor, cases: int) -> Tensor:
    """Mean over each case's samples. Shapes (B * S,) -> (B,)."""
    return losses.reshape(cases, -1).mean(dim=1)


def optimiser_groups(model: nn.Module, params: ScModel) -> list[dict[str, Any]]:
    """The backbone at its rate, falling with depth by `layer_decay`, the new head at a rate of its own."""
    assert isinstance(model, SequenceClassifier)
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
    builder: RowBuilder,
    examples: Examples,
    seed: int,
    multiple: int,
) -> Data:
    used, extra, held = split(params, codebook, examples, seed)
    training = tokenise(tokenizer, codebook, used, examples.targets, examples.rewritten)
    lengths = [max(map(len, builder.rows(narratives))) for narratives in training["narratives"]]
    copies, augmentation = 1 if rdrop == 0 else 2, Augmentation(params.swap, params.rewrite, seed)
    collate = collator(builder, params.micro_tokens, copies, augmentation, multiple)
    validation = None
    if len(held):
        as_it_stands = collator(builder, params.micro_tokens, 1, multiple=multiple)
        validation = as_it_stands(list(tokenise(tokenizer, codebook, held, examples.targets)))
    return Data(training, lengths, collate, validation, extra)
