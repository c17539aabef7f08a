"""Which of a fold's examples a training learns from, and which tenth chooses the checkpoint."""

from typing import NamedTuple

import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.data.folds import stratified_slice
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import likeliest
from abstractor.training.loop.settings import Training
from abstractor.training.loop.steps import Extra


class Split(NamedTuple):
    """Cases by what they are for."""

    used: pd.DataFrame
    """Index `uid`, str narratives: coded cases to learn from, then made ones."""
    extra: Extra
    """Of `used`, the made cases."""
    held: pd.DataFrame
    """Coded cases that choose the checkpoint; none without early stopping."""


def split(settings: Training, codebook: Codebook, examples: Examples, seed: int, most: int | None = None) -> Split:
    """Split a fold's examples; made cases are always learned from, and of copies all are held or none.

    Args:
        settings: whether a tenth is held out, and how many made cases an epoch takes.
        codebook: gives the variables to stratify by.
        examples: what the fold learns from.
        seed: of the stratified draws.
        most: coded cases to use; None: all.
    """
    coded, held = examples.coded, examples.coded[:0]
    if most or settings.early_stopping:
        labels = likeliest(codebook, examples.targets.loc[coded])
        coded = stratified_slice(codebook, labels, most, seed, examples.groups) if most else coded
        if settings.early_stopping:
            tenth = max(1, len(coded) // 10)
            held = stratified_slice(codebook, labels.loc[coded], tenth, seed, examples.groups)
            held = held if len(held) < len(coded) else held[:0]  # copies of one case alone
    learned = coded.difference(held)
    used = examples.cases.loc[[*learned, *examples.made]]
    extra = Extra(range(len(learned), len(used)), settings.made_ratio, settings.made_epochs)
    return Split(used, extra, examples.cases.loc[held])
