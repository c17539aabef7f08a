"""From cases to micro-batches of prompts, packed or one row a question."""

from collections.abc import Callable, Sequence
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.ar.packing import Batch, pack, separate
from abstractor.models.ar.prompts import Prompts
from abstractor.models.shared.batching import alignment, by_budget


def tokenise(
    prompts: Prompts,
    codebook: Codebook,
    cases: pd.DataFrame,
    targets: pd.DataFrame | None = None,
    rewritten: pd.DataFrame | None = None,
) -> datasets.Dataset:
    """Tokenise once, in memory.

    Args:
        prompts: of the model.
        codebook: names the narrative columns and the variables.
        cases: index uid.
        targets: index uid, at least of `cases`; see `lessons.targets`; None for cases to predict.
        rewritten: index uid, paraphrased narratives of some cases.

    Returns:
        A dataset in the order of `cases`. Without targets: `prefix` (ids). With targets, for training: `readings`, the
        prefix with the reports in either order, and after these two that of the paraphrase, where there is one; and
        `targets` (Q x O, see `option_targets`).
    """
    reports = cases[list(codebook.narratives)].to_numpy().tolist()
    if targets is None:
        return datasets.Dataset.from_dict({"prefix": [prompts.prefix(case) for case in reports]})
    others: dict[str, list[str]] = {}
    if rewritten is not None:
        others = dict(zip(rewritten.index, rewritten[list(codebook.narratives)].to_numpy().tolist(), strict=True))
    readings = []
    for uid, case in zip(cases.index, reports, strict=True):
        texts = [case, others[uid]] if uid in others else [case]
        readings.append([prompts.prefix(text, swapped=swapped) for text in texts for swapped in (False, True)])
    asked = option_targets(codebook, targets.loc[cases.index]).tolist()
    return datasets.Dataset.from_dict({"readings": readings, "targets": asked})


def option_targets(codebook: Codebook, targets: pd.DataFrame) -> np.ndarray:
    """Targets laid out by question: (cases, Q, O) float32.

    A question's options stand in the order of `Prompts.answers`; where it has fewer than O, the rest is 0, and all of
    it is NaN where it is not coded.
    """
    width = max(len(variable.codes) for variable in codebook.variables)
    result = np.zeros((len(targets), len(codebook.variables), width), dtype=np.float32)
    for number, variable in enumerate(codebook.variables):
        given = variable.by_code(targets[list(variable.columns)].to_numpy(np.float32))
        result[:, number, : given.shape[1]] = given
        result[np.isnan(given).any(axis=1), number] = np.nan
    return result


def constant_loss(targets: np.ndarray) -> float:
    """Mean loss of a predictor that knows the shares of the options only.

    Args:
        targets: (cases, Q, O) of `option_targets`.

    Returns:
        Mean over cases of the mean over its coded questions of the cross entropy with the mean target, in nats.
    """
    coded = ~np.isnan(targets).any(axis=2)
    known = np.where(coded[..., None], targets, 0.0)
    shares = known.sum(axis=0) / coded.sum(axis=0).clip(min=1)[:, None]
    surprise = -(known * np.log(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=2)
    return float((surprise.sum(axis=1) / coded.sum(axis=1).clip(min=1)).mean())


class Batcher:
    """Makes micro-batches under a token budget."""

    def __init__(self, prompts: Prompts, packed: bool, pad: int, budget: int, multiple: int) -> None:
        """Fix the layout.

        Args:
            prompts: of the model.
            packed: one row a case, else one row a question.
            pad: id of the padding.
            budget: tokens a micro-batch.
            multiple: row lengths are rounded up to it.
        """
        self.prompts, self.packed, self.pad, self.budget, self.multiple = prompts, packed, pad, budget, multiple
        lengths = [len(suffix) for suffix in prompts.suffixes]
        self.suffix_tokens = sum(lengths) if packed else max(lengths)
        self.rows_a_case = 1 if packed else len(lengths)

    @classmethod
    def of(cls, layout: str, prompts: Prompts, tokenizer: Any, budget: int, compute: Compute) -> "Batcher":
        """The layout of a model."""
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        return cls(prompts, layout == "packed", pad or 0, budget, alignment(compute.device.type))

    def lengths(self, prefixes: Sequence[Sequence[int]]) -> list[int]:
        """Tokens of each case's longest row."""
        return [len(prefix) + self.suffix_tokens for prefix in prefixes]

    def groups(self, prefixes: Sequence[Sequence[int]], copies: int = 1) -> list[list[int]]:
        """Numbers of the cases that go together; `copies` passes share a batch."""
        return by_budget(self.lengths(prefixes), self.budget / (copies * self.rows_a_case))

    def batch(self, prefixes: Sequence[Sequence[int]], length: int | None = None) -> Batch:
        """The tensors of some cases, their rows of the given length; None: of the shortest that holds them all."""
        make = pack if self.packed else separate
        return make(prefixes, self.prompts.suffixes, self.pad, length or self.multiple)

    def collator(
        self, copies: int, swap: float = 0.0, rewrite: float = 0.0, seed: int = 0
    ) -> Callable[[list[Any]], list[dict[str, Any]]]:
        """What makes the micro-batches of a list of cases.

        Args:
            copies: forward passes a case (2 with R-Drop); they share a batch.
            swap: probability of swapped reports.
            rewrite: probability that a case with a paraphrase is read in it.
            seed: of both.
        """
        generator = np.random.default_rng(seed)

        def read(item: Any) -> list[int]:
            swapped = swap > 0 and generator.random() < swap
            other = len(item["readings"]) > 2 and generator.random() < rewrite
            prefix: list[int] = item["readings"][2 * other + swapped]
            return prefix

        def collate(items: list[Any]) -> list[dict[str, Any]]:
            prefixes = [read(item) for item in items]
            return [
                {
                    "prompts": self.batch([prefixes[n] for n in group] * copies),
                    "targets": torch.tensor([items[n]["targets"] for n in group]),
                }
                for group in self.groups(prefixes, copies)
            ]

        return collate
