"""From cases to rows of tokens."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import datasets
import numpy as np
import pandas as pd
import torch

from abstractor.data.cases.codebook import Codebook
from abstractor.models.shared.batching import by_budget
from abstractor.models.shared.tokenizers import plain_tokens
from abstractor.models.shared.truncation import cut_middle, fair_shares

Groups = Callable[[list[int], bool], list[list[int]]]
"""Numbers of a case's narratives, and whether they are swapped -> those of each row."""


def together(present: list[int], swapped: bool) -> list[list[int]]:
    """All narratives in one row."""
    return [present[::-1] if swapped else present]


def each_apart(present: list[int], swapped: bool) -> list[list[int]]:
    """Each narrative in a row of its own; their order tells nothing."""
    return [[number] for number in present]


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

    def __init__(
        self, tokenizer: Any, codebook: Codebook, max_tokens: int, groups: Groups, prompt: Sequence[int] = ()
    ) -> None:
        """Fix the form of the rows.

        Args:
            tokenizer: gives the special tokens.
            codebook: gives the narratives.
            max_tokens: of a row at most.
            groups: which narratives share a row.
            prompt: stands after the narratives of every row and is never cut.
        """
        first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
        last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        # A number is enough, since training teaches what it stands for; a description would cost tokens in every row.
        names = [f"{number}:" for number in range(1, len(codebook.narratives) + 1)]
        headings = [tokenizer(name, add_special_tokens=False)["input_ids"] for name in names]
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else last
        self.special = Special([] if first is None else [first], [] if last is None else [last], headings, pad or 0)
        self.closing = [*prompt, *self.special.end] if prompt else []
        self.groups, self.max_tokens = groups, max_tokens

    def rows(self, narratives: Sequence[Sequence[int]], swapped: bool = False) -> list[list[int]]:
        """The rows of one case.

        Args:
            narratives: tokens of each narrative, in the codebook's order.
            swapped: last narrative first.
        """
        # Control characters alone make no token; a case needs a row all the same.
        present = [number for number, tokens in enumerate(narratives) if tokens] or [0]
        return [self._row(narratives, group) for group in self.groups(present, swapped)]

    def fixed(self, group: Sequence[int]) -> int:
        """Tokens that a row of these narratives has beside theirs."""
        special = self.special
        around = sum(len(special.headings[n]) + len(special.end) for n in group)
        return len(special.start) + around + len(self.closing)

    def _row(self, narratives: Sequence[Sequence[int]], group: list[int]) -> list[int]:
        special = self.special
        shares = fair_shares([len(narratives[n]) for n in group], self.max_tokens - self.fixed(group))
        row = list(special.start)
        for number, share in zip(group, shares, strict=True):
            row += [*special.headings[number], *cut_middle(narratives[number], share), *special.end]
        return row + self.closing


def tokenise(
    tokenizer: Any,
    codebook: Codebook,
    cases: pd.DataFrame,
    targets: pd.DataFrame | None = None,
    rewritten: pd.DataFrame | None = None,
) -> datasets.Dataset:
    """Tokenise once, in memory.

    Args:
        tokenizer: of the backbone.
        codebook: names the narrative columns and the outputs.
        cases: index uid.
        targets: index uid, at least of `cases`; see `abstractor.targets`; None for cases to predict.
        rewritten: index uid, paraphrased narratives of some cases.

    Returns:
        A dataset in the order of `cases`: `narratives` (tokens of each narrative), `rewritten` (those of the
        paraphrase, none where there is none) and `targets` (one value for each of `codebook.columns`, NaN where not
        coded).
    """
    columns, names = list(codebook.columns), list(codebook.narratives)
    joined = np.full((len(cases), len(columns)), np.nan)
    if targets is not None:
        joined = targets.loc[cases.index, columns].to_numpy()
    others: dict[str, list[list[int]]] = {}
    if rewritten is not None and len(rewritten):
        others = dict(zip(rewritten.index, _tokens(tokenizer, rewritten[names]), strict=True))
    return datasets.Dataset.from_dict(
        {
            "narratives": _tokens(tokenizer, cases[names]),
            "rewritten": [others.get(uid, []) for uid in cases.index],
            "targets": joined.tolist(),
        }
    )


def _tokens(tokenizer: Any, texts: pd.DataFrame) -> list[list[list[int]]]:
    """Tokens of each narrative of each case."""
    encoded = [plain_tokens(tokenizer, texts[column].tolist()) for column in texts]
    return [list(case) for case in zip(*encoded, strict=True)]


class Augmentation(NamedTuple):
    """How a training case may be read otherwise than it stands, drawn anew whenever it is read."""

    swap: float = 0.0
    """Probability of swapped narratives."""
    rewrite: float = 0.0
    """Probability that a case with a paraphrase is read in it."""
    seed: int = 0


AS_IT_STANDS = Augmentation()


def collator(
    builder: RowBuilder, budget: int, copies: int, augmentation: Augmentation = AS_IT_STANDS, multiple: int = 1
) -> Callable[[list[Any]], list[dict[str, Any]]]:
    """What makes the micro-batches of a list of cases.

    Args:
        builder: makes rows.
        budget: tokens a micro-batch.
        copies: forward passes a case (2 with R-Drop): they share a batch, so they count.
        augmentation: of the cases.
        multiple: see `micro_batch`.
    """
    generator = np.random.default_rng(augmentation.seed)

    def read(item: Any) -> list[list[int]]:
        swapped = augmentation.swap > 0 and generator.random() < augmentation.swap
        other = bool(item["rewritten"]) and generator.random() < augmentation.rewrite
        return builder.rows(item["rewritten" if other else "narratives"], swapped)

    def collate(items: list[Any]) -> list[dict[str, Any]]:
        rows = [read(item) for item in items]
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
