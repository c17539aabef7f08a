"""The made-up corpus: cases with two reports and their labels, as the five files of a raw corpus."""

from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from abstractor.base.files import replaced
from abstractor.base.messages import demo as messages
from abstractor.data.cases.codebook import Codebook
from abstractor.data.demo import facts, phrases, reports
from abstractor.data.demo.coding import Coder
from abstractor.data.demo.dice import Dice
from abstractor.data.demo.settings import MOST_CASES, DemoCorpusParams

NARRATIVES = {"NarrativeLE": "le", "NarrativeCME": "me"}
"""Narrative column -> its report in the phrase tables."""

_PARTS = {"train": 0, "test": 1}
_UIDS = 2
_SPREAD = 0.4
"""A case is longer or shorter than the mean by up to this share."""


T = TypeVar("T")
_Rows = list[list[T]]


def draw(codebook: Codebook, params: DemoCorpusParams) -> dict[str, pd.DataFrame]:
    """The tables of the corpus by file name without suffix, rows sorted by uid.

    A case depends on the seed and its number in its part only, not on how many there are. Uids are numbered in
    random order, over both parts.

    Raises:
        DemoError: the codebook's narratives, variables or codes differ from those whose facts are drawn.
    """
    check(codebook)
    numbers = np.random.default_rng((params.seed, _UIDS)).permutation(2 * MOST_CASES)
    tables = {}
    for (part, key), cases in zip(_PARTS.items(), (params.cases, params.new_cases), strict=True):
        uids = [f"demo-{number:06d}" for number in numbers[key * MOST_CASES :][:cases]]
        texts, labels = _part(codebook, params, key, cases)
        index = pd.Index(uids, name="uid")
        tables[f"{part}_features"] = pd.DataFrame(texts, index, columns=list(codebook.narratives)).sort_index()
        tables[f"{part}_labels"] = pd.DataFrame(labels, index, columns=list(codebook.names)).sort_index()
    blank = tables["test_labels"].copy()
    for variable in codebook.variables:
        blank[variable.name] = variable.codes[0]
    return tables | {"submission_format": blank}


def _part(codebook: Codebook, params: DemoCorpusParams, key: int, cases: int) -> tuple[_Rows[str], _Rows[int]]:
    """Texts and labels of the part's first cases, columns in the codebook's order."""
    coder, tables = Coder(codebook, params.noise), phrases.load()
    share = {variable.name: variable.share for variable in codebook.variables if variable.share is not None}
    texts, labels = [], []
    for number in range(cases):
        dice = Dice(params.seed, key, number)
        case = facts.draw(dice, share)
        length = params.words * (1 - _SPREAD + _SPREAD * (dice.roll() + dice.roll()))
        text = reports.write(dice, case, tables, length)
        texts.append([text[NARRATIVES[column]] for column in codebook.narratives])
        labels.append(coder.code(dice, case.coded))
    return texts, labels


def check(codebook: Codebook) -> None:
    """Refuse a codebook other than the one whose facts are drawn."""
    tables = phrases.load()
    expected: dict[str, tuple[int, ...]] = dict.fromkeys(facts.BINARIES, (0, 1))
    expected |= {facts.PLACE: tuple(tables.places), facts.MEANS: tuple(tables.means)}
    found = {variable.name: variable.codes for variable in codebook.variables}
    unshared = [variable.name for variable in codebook.variables if variable.kind == "binary" and not variable.share]
    for rule, names in {
        "lacks the narratives or has others": NARRATIVES.keys() ^ codebook.narratives.keys(),
        "lacks the variables or has others": expected.keys() ^ found.keys(),
        "has other codes for": {name for name in expected.keys() & found.keys() if expected[name] != found[name]},
        "gives no share for": unshared,
    }.items():
        if names:
            raise messages.other_codebook(codebook.dataset, rule, names)


def write(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write every table as `<name>.csv`, each file whole or not at all."""
    for name, table in tables.items():
        with replaced(folder / f"{name}.csv") as partial:
            table.to_csv(partial, lineterminator="\n")
