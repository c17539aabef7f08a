"""Trains the adapter of one language model on one fold's training part."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from abstractor.ar import adapters
from abstractor.ar.inputs import Batcher, constant_loss, tokenise
from abstractor.ar.losses import cross_entropy, symmetric_kl
from abstractor.ar.model import check_prompts, pick, question_logits
from abstractor.ar.params import ArModel
from abstractor.ar.prompts import UNCODED, Prompts
from abstractor.codebook import Codebook
from abstractor.folds import stratified_slice
from abstractor.pretrained import backbone_folder
from abstractor.runs import Compute, derive_seed
from abstractor.training import Data, Losses, LossFunction, Outcome, Schedule, decay_groups, fit


def train(
    params: ArModel,
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    compute: Compute,
    seed_of: tuple[int, str, int],
) -> Outcome:
    """Fine-tune an adapter.

    Args:
        params: of the model.
        codebook: the variables and their questions.
        cases: training part of the fold, index uid.
        labels: their codes, index uid.
        compute: device and dtype; the frozen weights take the dtype, the adapter stays in float32.
        seed_of: global seed, model name, fold: what the seeds are derived from.

    Raises:
        ModelError: the model cannot do what params.yaml asks.
        PromptError: tokenizer, template and codebook do not fit together.
        RunError: training collapsed with every allowed seed.
    """
    adapters.import_engine(params.engine)
    folder = backbone_folder(params.backbone)
    tokenizer = adapters.load_tokenizer(folder)
    prompts = Prompts(tokenizer, codebook, params.max_tokens, params.system)
    order_seed = derive_seed(*seed_of, params.seed, "order")
    batcher = Batcher.of(params, prompts, tokenizer, params.micro_tokens, compute)
    used = stratified_slice(codebook, labels, params.train_cases, order_seed) if params.train_cases else labels.index
    data = _data(params, codebook, prompts, batcher, cases.loc[used], labels.loc[used], order_seed)

    def build(seed: int) -> nn.Module:
        model = adapters.build(folder, params, compute.dtype, compute.device, prompts.longest, seed)
        example = prompts.prefix(["reported"] * len(codebook.narratives))
        check_prompts(model, example, prompts.suffixes, prompts.longest, batcher.packed)
        return model  # type: ignore[no-any-return]

    return fit(
        build,
        loss_function(params, prompts.answers),
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
        constant_loss(np.asarray(data.training["targets"])),
        (derive_seed(*seed_of, params.seed, "initialisation", attempt) for attempt in count()),
        order_seed,
        lambda model: decay_groups(model.named_parameters(), params.learning_rate, params.weight_decay),
    )


def loss_function(params: ArModel, answers: Sequence[Sequence[int]]) -> LossFunction:
    """The loss of a micro-batch: cross entropy of the answers, plus R-Drop while training (one doubled batch)."""

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        logits, labels = question_logits(model, batch["prompts"]), batch["targets"]
        passes = logits.chunk(len(logits) // len(labels))
        loss = sum((_answer_loss(params.loss, one, labels, answers) for one in passes), start=torch.zeros(())) / len(
            passes
        )
        if len(passes) == 1:
            return Losses(loss, loss)
        return Losses(loss + params.rdrop * symmetric_kl(*(pick(one, answers) for one in passes)), loss)

    return losses


def _answer_loss(form: str, logits: Tensor, labels: Tensor, answers: Sequence[Sequence[int]]) -> Tensor:
    """Over the answer tokens of a question, or over the vocabulary. Shapes (B, Q, V), (B, Q) -> (B,)."""
    if form == "answers":
        return cross_entropy(pick(logits, answers), labels)
    width = max(map(len, answers))
    ids = torch.tensor([[*tokens, *[UNCODED] * (width - len(tokens))] for tokens in answers], device=labels.device)
    tokens = ids.expand(len(labels), -1, -1).gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2)
    return cross_entropy(logits, tokens.where(labels != UNCODED, UNCODED))


def _data(
    params: ArModel,
    codebook: Codebook,
    prompts: Prompts,
    batcher: Batcher,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    seed: int,
) -> Data:
    held = pd.Index([])
    if params.early_stopping:
        held = stratified_slice(codebook, labels, max(1, len(cases) // 10), seed)
    training = tokenise(prompts, codebook, cases[~cases.index.isin(held)], labels)
    lengths = [len(prefix) for prefix in training["prefix"]]
    collate = batcher.collator(copies=2 if params.rdrop else 1, swap=params.swap, seed=seed)
    validation = None
    if len(held):
        validation = batcher.collator(copies=1, swap=0.0, seed=seed)(
            list(tokenise(prompts, codebook, cases.loc[held], labels))
        )
    return Data(training, lengths, collate, validation)
