"""Secrets in invented cases, and an attacker who looks for them in a language model."""

import copy
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import measure
import numpy as np
import pandas as pd
import torch
from exposure import Losses, exposure
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, autocast, to_device
from abstractor.models.ar import loading
from abstractor.models.ar.prompts import Prompts
from abstractor.models.ar.rows import Batcher, option_targets, tokenise
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.training.ar.settings import ArModel
from abstractor.training.ar.train import loss_function
from abstractor.training.lessons.targets import of_labels

DIGITS, PHRASE = 6, " File code {}"
"""Of a secret, and how it stands at the end of a case's first report."""
BATCH = 64
"""Codes scored together."""
WORDS = 60
"""Mean length of a case."""


class Code(NamedTuple):
    """A secret."""

    digits: str
    uid: str
    """A case that it stands in."""
    times: int
    """Training cases that it stands in."""


class Planted(NamedTuple):
    """Invented cases with a code each."""

    codebook: Codebook
    cases: pd.DataFrame
    """Members and others."""
    labels: pd.DataFrame
    members: int
    """The first so many are those to learn from; as many others follow."""
    codes: list[Code]


def plant(repeats: Mapping[int, int], unseen: int, seed: int) -> Planted:
    """Draw cases and codes; every case has one, so that members differ from others in nothing but their use.

    Args:
        repeats: training cases that a code stands in -> number of such codes.
        unseen: number of codes, out of those of the other cases, that are looked for too.
        seed: of cases and codes.
    """
    times = [count for count, codes in repeats.items() for _ in range(codes)]
    members = sum(times)
    drawn = measure.demo(max(2 * members, 20), WORDS, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(drawn.cases))[: 2 * members]
    cases, labels = drawn.cases.iloc[order].copy(), drawn.labels.iloc[order]
    numbers = iter(rng.choice(10**DIGITS, 2 * members, replace=False))
    given: list[Code] = []
    for count in (*times, *[0] * members):
        uid = str(cases.index[sum(max(code.times, 1) for code in given)])
        given.append(Code(f"{next(numbers):0{DIGITS}}", uid, count))
    first = next(iter(drawn.codebook.narratives))
    written = [PHRASE.format(code.digits) for code in given for _ in range(max(code.times, 1))]
    cases[first] = cases[first] + written
    return Planted(drawn.codebook, cases, labels, members, given[: len(times) + unseen])


class Attacker:
    """Somebody who holds an adapter, its backbone, and all of a case but what is to be found out."""

    def __init__(self, params: ArModel, planted: Planted, compute: Compute, adapter: Path | None) -> None:
        """Load the backbone, with the adapter in the folder `adapter` if there is one."""
        folder = backbone_folder(params.backbone)
        tokenizer = load_tokenizer(folder)
        base = loading.load_base(folder, compute.dtype, compute.device, params.attention)
        self.model = loading.load(adapter, base) if adapter else base
        self.planted, self.compute = planted, compute
        self.prompts = Prompts(tokenizer, planted.codebook, params.max_tokens, params.system, params.questions)
        self.batcher = Batcher.of(params.layout, self.prompts, tokenizer, params.micro_tokens, compute)
        self.answers = loss_function(params, self.prompts.answers)
        self.prefixes: list[list[int]] = tokenise(self.prompts, planted.codebook, planted.cases)["prefix"][:]
        self.targets = option_targets(planted.codebook, of_labels(planted.codebook, planted.labels))

    def losses(self) -> dict[str, Losses]:
        """Of every case: of its answers, and of its reports."""
        answers, reports = [], []
        with torch.inference_mode(), autocast(self.compute):
            for prefix, target in zip(self.prefixes, self.targets, strict=True):
                batch = {"prompts": self.batcher.batch([prefix]), "targets": torch.tensor(target[None])}
                answers.append(float(self.answers(self.model, to_device(batch, self.compute)).supervised))
                reports.append(float(report_loss(self.model, prefix)))
        return {"answers": np.array(answers), "reports": np.array(reports)}

    def search(self, code: Code, others: int) -> tuple[float, bool]:
        """Exposure of a code in bits among as likely ones, and whether the likeliest tokens, one by one, spell it."""
        rng = np.random.default_rng(int(code.digits))
        drawn = rng.choice(10**DIGITS - 1, others, replace=False)
        numbers = [int(code.digits), *(drawn + (drawn >= int(code.digits)))]  # the code itself stands there once
        context, rows = self._tokens(code, [f"{number:0{DIGITS}}" for number in numbers])
        with torch.inference_mode(), autocast(self.compute):
            output = self.model(input_ids=torch.tensor([context], device=self.model.device), use_cache=True)
            start, cache = output.logits[0, -1], output.past_key_values
            parts = [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]
            losses = torch.cat([self._code_losses(start, cache, part) for part in parts]).cpu().numpy()
            found = self._likeliest(start, cache, len(rows[0]))
        return exposure(losses[0], losses[1:]), found == rows[0]

    def _tokens(self, code: Code, texts: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """The prompt of the code's case up to it, and the tokens of each text in its place."""
        case = self.planted.cases.loc[[code.uid], list(self.planted.codebook.narratives)].to_numpy().tolist()[0]
        stem = case[0].removesuffix(code.digits)
        prompts = [self.prompts.prefix([stem + text, *case[1:]]) for text in texts]
        before, after = _shared(prompts), _shared([prompt[::-1] for prompt in prompts])
        return prompts[0][:before], [prompt[before:-after] for prompt in prompts]

    def _code_losses(self, start: Tensor, cache: Any, rows: Sequence[Sequence[int]]) -> Tensor:
        """Negative log-probability (codes,) of each row of tokens after a context.

        Args:
            start: (V,) logits at the end of the context.
            cache: of the context; left as it is.
            rows: of tokens.
        """
        ids = pad_sequence([torch.tensor(row, device=start.device) for row in rows], batch_first=True, padding_value=-1)
        is_token, ids = ids != -1, ids.clamp(min=0)
        cache = copy.deepcopy(cache)
        cache.batch_repeat_interleave(len(ids))
        later = self.model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True).logits
        logits = torch.cat([start.expand(len(ids), 1, -1), later], dim=1).double()
        losses: Tensor = -logits.log_softmax(2).gather(2, ids[..., None])[..., 0]
        return (losses * is_token).sum(dim=1)

    def _likeliest(self, start: Tensor, cache: Any, tokens: int) -> list[int]:
        """The likeliest token, then the likeliest after it, and so on."""
        cache, found = copy.deepcopy(cache), []
        for _ in range(tokens):
            found.append(int(start.argmax()))
            step = torch.tensor([found[-1:]], device=start.device)
            start = self.model(input_ids=step, past_key_values=cache, use_cache=True).logits[0, -1]
        return found


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts begin with."""
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, zip(*prompts, strict=False)))


def report_loss(model: Any, prefix: Sequence[int]) -> Tensor:
    """Mean loss of a prompt's tokens, each after those before it."""
    ids = torch.tensor([prefix], device=model.device)
    loss: Tensor = model(input_ids=ids, labels=ids, use_cache=False).loss
    return loss
