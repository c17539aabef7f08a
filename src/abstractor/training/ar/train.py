"""Trains the adapter of one language model on one fold's training part."""

from collections.abc import Sequence
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
from abstractor.models.ar import loading
from abstractor.models.ar.answers import check_prompts, pick, question_logits
from abstractor.models.ar.prompts import Prompts
from abstractor.models.ar.rows import Batcher, constant_loss, tokenise
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.training.ar.losses import cross_entropy, symmetric_kl
from abstractor.training.ar.settings import ArModel
from abstractor.training.lessons.examples import Examples
from abstractor.training.loop.faults import Load, explained
from abstractor.training.loop.fit import Data, Losses, LossFunction, Outcome, decay_groups, fit
from abstractor.training.loop.split import split


def train(
    params: ArModel,
    codebook: Codebook,
    examples: Examples,
    compute: Compute,
    seed_of: tuple[int, str, Training],
    checkpoints: Path | None = None,
) -> Outcome:
    """Fine-tune an adapter.

    Args:
        params: of the model.
        codebook: the variables and their questions.
        examples: what the fold learns from.
        compute: device and dtype; the frozen weights take the dtype, the adapter stays in float32.
        seed_of: global seed, model name, fold: what the seeds are derived from.
        checkpoints: see `training.fit`.

    Raises:
        ModelError: the model cannot do what params.yaml asks.
        PromptError: tokenizer, template and codebook do not fit together.
        RunError: training collapsed with every allowed seed.
    """
    loading.import_engine(params.engine)
    folder = backbone_folder(params.backbone)
    tokenizer = load_tokenizer(folder)
    prompts = Prompts(tokenizer, codebook, params.max_tokens, params.system, params.questions)
    order_seed = derive_seed(*seed_of, params.seed, "order")
    batcher = Batcher.of(params.layout, prompts, tokenizer, params.micro_tokens, compute)
    data = _data(params, codebook, prompts, batcher, examples, order_seed)

    def build(seed: int) -> nn.Module:
        model = loading.build(folder, params, compute.dtype, compute.device, prompts.longest, seed)
        example = prompts.prefix(["reported"] * len(codebook.narratives))
        with explained(model, compute.device, Load.of(params)):
            check_prompts(model, example, prompts.suffixes, prompts.longest, batcher.packed)
        return model  # type: ignore[no-any-return]

    return fit(
        build,
        loss_function(params, prompts.answers),
        data,
        params,
        compute,
        constant_loss(np.asarray(data.training["targets"], dtype=np.float32)),
        (derive_seed(*seed_of, params.seed, "initialisation", attempt) for attempt in count()),
        order_seed,
        lambda model: decay_groups(model.named_parameters(), params.learning_rate, params.weight_decay),
        checkpoints,
    )


def loss_function(params: ArModel, answers: Sequence[Sequence[int]]) -> LossFunction:
    """The loss of a micro-batch: cross entropy of the answers, plus R-Drop while training (one doubled batch)."""

    def losses(model: nn.Module, batch: dict[str, Any]) -> Losses:
        logits, targets = question_logits(model, batch["prompts"]), batch["targets"]
        passes = logits.chunk(len(logits) // len(targets))
        shares = [_log_shares(params.loss, one, answers) for one in passes]
        loss = torch.stack([cross_entropy(one, targets) for one in shares]).mean(dim=0)
        if len(passes) == 1:
            return Losses(loss, loss)
        return Losses(loss + params.rdrop * symmetric_kl(*(pick(one, answers) for one in passes)), loss)

    return losses


def _log_shares(form: str, logits: Tensor, answers: Sequence[Sequence[int]]) -> Tensor:
    """Of the answers among themselves, or in the whole vocabulary. Shapes (B, Q, V) -> (B, Q, O)."""
    if form == "answers":
        return pick(logits, answers).log_softmax(dim=2)
    return pick(logits.float().log_softmax(dim=2), answers)


def _data(
    params: ArModel, codebook: Codebook, prompts: Prompts, batcher: Batcher, examples: Examples, seed: int
) -> Data:
    used, extra, held = split(params, codebook, examples, seed, params.train_cases)
    training = tokenise(prompts, codebook, used, examples.targets, examples.rewritten)
    lengths = [len(readings[0]) for readings in training["readings"]]
    collate = batcher.collator(2 if params.rdrop else 1, params.swap, params.rewrite, seed)
    validation = None
    if len(held):
        validation = batcher.collator(1)(list(tokenise(prompts, codebook, held, examples.targets)))
    return Data(training, lengths, collate, validation, extra)
