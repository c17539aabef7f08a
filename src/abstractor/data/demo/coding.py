"""Codes a made-up case as human coders do: mostly right, with errors that leave the shares about as they are."""

from collections.abc import Mapping

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.data.demo.dice import Dice

_MISSES, _FALSE_ALARMS = 1.2, 0.8
"""Coders overlook a fact more often than they see one that is not there."""


class Coder:
    """Codes the facts of cases, with errors at a set rate."""

    def __init__(self, codebook: Codebook, noise: float) -> None:
        """Set the error rates.

        Args:
            codebook: gives the variables; every binary one has a share.
            noise: share of wrong labels, mean over the variables. A binary variable of share p has them in
                proportion to p (1 - p), so that a rare fact is not drowned by false alarms.
        """
        self._variables, self._noise = codebook.variables, noise
        spreads = [share * (1 - share) for variable in codebook.variables if (share := variable.share)]
        self._scale = noise / ((_MISSES + _FALSE_ALARMS) * sum(spreads) / len(spreads))

    def code(self, dice: Dice, facts: Mapping[str, int]) -> list[int]:
        """The labels of one case, in the codebook's order."""
        return [self._label(dice, variable, facts[variable.name]) for variable in self._variables]

    def _label(self, dice: Dice, variable: Variable, fact: int) -> int:
        if variable.share is None:
            return _neighbour(dice, variable.codes, fact) if dice.chance(self._noise) else fact
        wrong = (1 - variable.share) * _MISSES if fact else variable.share * _FALSE_ALARMS
        return 1 - fact if dice.chance(self._scale * wrong) else fact


def _neighbour(dice: Dice, codes: tuple[int, ...], code: int) -> int:
    """The code before or after, in the codebook's order."""
    place = codes.index(code)
    return dice.choice([*codes[max(place - 1, 0) : place], *codes[place + 1 : place + 2]])
