"""One report's author: the same habits of wording in the whole report, other words at every use."""

from abstractor.data.demo.dice import Dice
from abstractor.data.demo.phrases import Phrases


class Voice:
    """Fills the {slots} of a phrasing."""

    def __init__(self, dice: Dice, phrases: Phrases, report: str, case: dict[str, str]) -> None:
        """Choose the author's habits; `case` holds the slots that the case itself sets."""
        self._report, self._dice, self._words = report, dice, phrases.words
        self._slots = {slot: dice.choice(lines[report]) for slot, lines in phrases.author.items()} | case

    def __getitem__(self, slot: str) -> str:
        """The text of a slot, with its own slots filled (`str.format_map` asks here)."""
        text = self._slots.get(slot)
        return self.say(self._dice.choice(self._words[slot][self._report]) if text is None else text)

    def say(self, phrasing: str, **slots: str) -> str:
        """Fill a phrasing; `slots` hold for this one only."""
        if "{" not in phrasing:
            return phrasing
        kept = self._slots
        self._slots = kept | slots if slots else kept
        text = phrasing.format_map(self)
        self._slots = kept
        return text
