"""From cases to rows of tokens: SC1 reads both narratives in one row, SC2 each in a row of its own."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import datasets
import numpy as np
import pandas as pd
import torch

from abstractor.batching import by_budget
from abstractor.codebook import Codebook
from abstractor.truncation import cut_middle, fair_shares

FORMS = ("concatenated", "apart")
"""SC1 and SC2."""


class Special(NamedTuple):
    """Tokens around the narratives."""

    start: list[int]
    """At the start of a row: [CLS] or BOS, nothing where the tokenizer has neither."""
    end: list[int]
    """After each narrative: [SEP] or EOS."""
    headings: list[list[int]]
    """The number of each narrative, so that order does not have to tell."""
    pad: int


class RowBuilder:
    """Builds the rows of a case from the tokens of its narratives."""

    def __init__(self, tokenizer: Any, codebook: Codebook, form: str, max_tokens: int) -> None:
        """Take the special tokens of `tokenizer` and the narratives of `codebook`; rows get `max_tokens` at most."""
        first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
        last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        # A number is enough, since training teaches what it stands for; a description would cost tokens in every row.
        names = [f"{number}:" for number in range(1, len(codebook.narratives) + 1)]
        headings = [tokenizer(name, add_special_tokens=False)["input_ids"] for name in names]
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else last
        self.special = Special([] if first is None else [first], [] if last is None else [last], headings, pad or 0)
        self.form, self.max_tokens = form, max_tokens

    def rows(self, narratives: Sequence[Sequence[int]], swapped: bool = False) -> list[list[int]]:
        """The rows of one case: one for SC1, one for each narrative that is not empty for SC2.

        Args:
            narratives: tokens of each narrative, in the codebook's order.
            swapped: last narrative first.
        """
        present = [number for number, tokens in enumerate(narratives) if tokens]
        groups = [present[::-1] if swapped else present] if self.form == "concatenated" else [[n] for n in present]
        return [self._row(narratives, group) for group in groups]

    def _row(self, narratives: Sequence[Sequence[int]], group: list[int]) -> list[int]:
        special = self.special
        fixed = len(special.start) + sum(len(special.headings[n]) + len(special.end) for n in group)
        shares = fair_shares([len(narratives[n]) for n in group], self.max_tokens - fixed)
        row = list(special.start)
        for number, share in zip(group, shares, strict=True):
            row += [*special.headings[number], *cut_middle(narratives[number], share), *special.end]
        return row


def tokenise(tokenizer: Any, codebook: Codebook, cases: pd.DataFrame, targets: pd.DataFrame | None) -> datasets.Dataset:
    """Tokenise once, in memory.

    Args:
        tokenizer: of the backbone.
        codebook: names the narrative columns and the outputs.
        cases: index uid.
        targets: index uid, as `abstractor.targets` makes them; None for cases to predict.

    Returns:
        A dataset in the order of `cases`: `narratives` (tokens of each narrative) and `targets` (one value for each of
        `codebook.columns`, NaN where not coded), joined by uid.
    """
    texts = [cases[column].tolist() for column in codebook.narratives]
    # Special tokens written in a narrative are split into plain ones: a report must not end its own row.
    encoded = [tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] for text in texts]
    columns = list(codebook.columns)
    joined = (
        np.full((len(cases), len(columns)), np.nan) if targets is None else targets.loc[cases.index, columns].to_numpy()
    )
    return datasets.Dataset.from_dict(
        {"narratives": [list(case) for case in zip(*encoded, strict=True)], "targets": joined.tolist()}
    )


def collator(
    builder: RowBuilder, budget: int, copies: int, swap: float, seed: int, multiple: int = 1
) -> Callable[[list[Any]], list[dict[str, Any]]]:
    """What makes the micro-batches of a list of cases.

    Args:
        builder: makes rows.
        budget: tokens a micro-batch.
        copies: forward passes a case (2 with R-Drop): they share a batch, so they count.
        swap: probability of swapped narratives.
        seed: of the swaps.
        multiple: see `micro_batch`.
    """
    generator = np.random.default_rng(seed)

    def collate(items: list[Any]) -> list[dict[str, Any]]:
        rows = [builder.rows(item["narratives"], swap > 0 and generator.random() < swap) for item in items]
        lengths = [max(map(len, case)) for case in rows]
        weight = copies * max(map(len, rows))
        groups = by_budget(lengths, budget / weight)
        return [
            micro_batch([rows[n] for n in group], [items[n]["targets"] for n in group], builder.special.pad, multiple)
            for group in groups
        ]

    return collate


def micro_batch(
    cases: list[list[list[int]]], targets: list[list[float]], pad: int, multiple: int = 1
) -> dict[str, Any]:
    """Pad rows to the longest.

    Args:
        cases: rows of each case.
        targets: (B, K), NaN where not coded.
        pad: token of the padding.
        multiple: L is rounded up to it (see `batching.alignment`).

    Returns:
        `input_ids`, `attention_mask` (R, L); `case` and `slot` (R,): whose row it is and its place there;
        `targets` (B, K) float32.
    """
    rows = [row for case in cases for row in case]
    length = -(-max(map(len, rows)) // multiple) * multiple
    return {
        "input_ids": torch.tensor([row + [pad] * (length - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows]),
        "case": torch.tensor([number for number, case in enumerate(cases) for _ in case]),
        "slot": torch.tensor([slot for case in cases for slot in range(len(case))]),
        "targets": torch.tensor(targets, dtype=torch.float32),
    }
