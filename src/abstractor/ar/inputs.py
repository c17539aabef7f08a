"""From cases to micro-batches of prompts, packed or one row a question."""

from collections.abc import Callable, Sequence
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch

from abstractor.ar.packing import Batch, pack, separate
from abstractor.ar.params import ArModel
from abstractor.ar.prompts import Prompts, option_indices
from abstractor.batching import alignment, by_budget
from abstractor.codebook import Codebook
from abstractor.runs import Compute


def tokenise(
    prompts: Prompts, codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame | None
) -> datasets.Dataset:
    """Tokenise once, in memory.

    Args:
        prompts: of the model.
        codebook: names the narrative columns and the codes.
        cases: index uid.
        labels: index uid, codes or -1; None for cases to predict.

    Returns:
        A dataset in the order of `cases`: `prefix` and `swapped` (ids of the prefix with the reports in either order)
        and `targets` (place of each variable's code among its answers, or -1).
    """
    names = [variable.name for variable in codebook.variables]
    codes = np.full((len(cases), len(names)), -1) if labels is None else labels.loc[cases.index, names].to_numpy()
    reports = cases[list(codebook.narratives)].to_numpy().tolist()
    return datasets.Dataset.from_dict(
        {
            "prefix": [prompts.prefix(case) for case in reports],
            "swapped": [prompts.prefix(case, swapped=True) for case in reports],
            "targets": option_indices(codebook, codes).tolist(),
        }
    )


def constant_loss(labels: np.ndarray) -> float:
    """Mean loss of a predictor that knows the label shares only.

    Args:
        labels: (cases, questions), places of the codes or -1.

    Returns:
        Mean over cases of the mean over its coded questions of -log share, in nats.
    """
    surprise = np.zeros(labels.shape)
    for question, column in enumerate(labels.T):
        coded = column >= 0
        shares = np.bincount(column[coded], minlength=1) / max(coded.sum(), 1)
        surprise[coded, question] = -np.log(shares[column[coded]])
    return float((surprise.sum(axis=1) / (labels >= 0).sum(axis=1).clip(min=1)).mean())


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
    def of(cls, params: ArModel, prompts: Prompts, tokenizer: Any, budget: int, compute: Compute) -> "Batcher":
        """The layout of a model."""
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        return cls(prompts, params.layout == "packed", pad or 0, budget, alignment(compute.device.type))

    def lengths(self, prefixes: Sequence[Sequence[int]]) -> list[int]:
        """Tokens of each case's longest row."""
        return [len(prefix) + self.suffix_tokens for prefix in prefixes]

    def groups(self, prefixes: Sequence[Sequence[int]], copies: int = 1) -> list[list[int]]:
        """Numbers of the cases that go together; `copies` passes share a batch."""
        return by_budget(self.lengths(prefixes), self.budget / (copies * self.rows_a_case))

    def batch(self, prefixes: Sequence[Sequence[int]]) -> Batch:
        """The tensors of some cases."""
        make = pack if self.packed else separate
        return make(prefixes, self.prompts.suffixes, self.pad, self.multiple)

    def collator(self, copies: int, swap: float, seed: int) -> Callable[[list[Any]], list[dict[str, Any]]]:
        """What makes the micro-batches of a list of cases.

        Args:
            copies: forward passes a case (2 with R-Drop); they share a batch.
            swap: probability of swapped reports.
            seed: of the swaps.
        """
        generator = np.random.default_rng(seed)

        def collate(items: list[Any]) -> list[dict[str, Any]]:
            prefixes = [item["swapped" if swap > 0 and generator.random() < swap else "prefix"] for item in items]
            return [
                {
                    "prompts": self.batch([prefixes[n] for n in group] * copies),
                    "targets": torch.tensor([items[n]["targets"] for n in group]),
                }
                for group in self.groups(prefixes, copies)
            ]

        return collate
