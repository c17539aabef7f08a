"""Writes the two reports of a case in varied, abbreviated prose."""

from collections.abc import Sequence

from abstractor.demo import plan as planning
from abstractor.demo.dice import Dice
from abstractor.demo.facts import Facts
from abstractor.demo.phrases import REPORTS, Phrases

_DIAGNOSES = {"depression", "anxiety", "bipolar", "adhd"}
_EXTRAS = {"absent": 5.0, "relative": 2.0, "doubt": 1.0, "repeat": 2.0, "filler": 2.0}
"""Weights of what fills a case up to its length: denials, relatives' histories, doubts, repeated facts, routine."""


class Voice:
    """One author: fills slots, the own words of `author` alike in the whole report, others anew at each use."""

    def __init__(self, dice: Dice, phrases: Phrases, report: str, fixed: dict[str, str]) -> None:
        """Choose the author's words; `fixed` holds the case's own slots."""
        self.report, self._dice, self._words = report, dice, phrases.words
        self.slots = {slot: dice.choice(lines[report]) for slot, lines in phrases.author.items()} | fixed

    def __getitem__(self, slot: str) -> str:
        """The text of a slot, its own slots filled."""
        text = self.slots.get(slot)
        return self.say(self._dice.choice(self._words[slot][self.report]) if text is None else text)

    def say(self, template: str, **slots: str) -> str:
        """Fill the slots of a template; `slots` hold for this template only."""
        if "{" not in template:
            return template
        if not slots:
            return template.format_map(self)
        kept = self.slots
        self.slots = kept | slots
        text = template.format_map(self)
        self.slots = kept
        return text


class Case:
    """One case while its reports are written."""

    def __init__(self, dice: Dice, facts: Facts, phrases: Phrases) -> None:
        """Plan the reports and choose their authors."""
        self._dice, self._facts, self._phrases = dice, facts, phrases
        self._plan = planning.draw(dice, facts, phrases)
        slots = {"age": str(facts.age), "sex": dice.choice(("F", "female") if facts.female else ("M", "male"))}
        slots["partner"] = "{girlfriend}" if dice.chance(0.1 if facts.female else 0.9) else "{boyfriend}"
        self._voices = {report: Voice(dice, phrases, report, slots) for report in REPORTS}
        self._clauses: dict[str, list[str]] = {report: [] for report in REPORTS}
        self._used: set[str] = set()
        self._length = 0

    def write(self, words: float) -> dict[str, str]:
        """Report -> its text, of about `words` words together where the facts leave room."""
        for report in REPORTS:
            if report != self._plan.silent:
                self._tell(report)
        pools = self._pools()
        while self._length < words - 3:  # half a clause: the length ends on either side of the target
            self._extra(pools)
        return {report: self._text(report) for report in REPORTS}

    # Telling the facts of the plan

    def _tell(self, report: str) -> None:
        if self._dice.chance(0.6):
            self._add(report, self._pick(self._phrases.intro[report]), first=True)
        listed, single = [], []
        for topic, state in self._plan.told[report]:
            (listed if self._listable(topic, state) else single).append((topic, state))
        if listed:
            self._add(report, self._list(report, [topic for topic, _ in listed]))
        for topic, state in self._dice.shuffled(single):
            self._add(report, self._sentence(report, topic, state))

    def _listable(self, topic: str, state: str) -> bool:
        entry = self._phrases.topics[topic]
        if state not in ("present", "absent") or not entry.items["le"]:
            return False
        return state not in entry.sentences or self._dice.chance(0.5)

    def _list(self, report: str, topics: Sequence[str]) -> str:
        """One clause that affirms all topics, sometimes denying others in the same breath."""
        frames = self._phrases.frames
        if self._dice.chance(0.3):
            denied = self._denied(3)
            if denied:
                slots = {"list": self._items(report, topics, " and "), "nolist": self._items(report, denied, " or ")}
                return self._voices[report].say(self._pick(frames["mixed"][report]), **slots)
        kind = "diagnoses" if _DIAGNOSES.issuperset(topics) and self._dice.chance(0.5) else "present"
        return self._framed(report, kind, topics, " and ")

    def _framed(self, report: str, kind: str, topics: Sequence[str], join: str) -> str:
        template = self._pick(self._phrases.frames[kind][report])
        return self._voices[report].say(template, list=self._items(report, topics, join))

    def _items(self, report: str, topics: Sequence[str], join: str) -> str:
        voice = self._voices[report]
        names = [voice.say(self._dice.choice(self._phrases.topics[topic].items[report])) for topic in topics]
        return join.join(([", ".join(names[:-1])] if len(names) > 1 else []) + names[-1:])

    def _sentence(self, report: str, topic: str, state: str) -> str:
        template = self._pick(self._phrases.topics[topic].sentences[state][report])
        slots = {}
        if topic == "disclosure":
            slots = {"told": self._people(self._facts.told), "untold": self._untold()}
        text = self._voices[report].say(template, **slots)
        prefix = "{per} {source}, " if topic not in ("place", "means") and self._dice.chance(0.12) else ""
        return self._voices[report].say(prefix) + text

    def _people(self, who: Sequence[str]) -> str:
        slots = {"partner": "{partner}", "family": "{kin}", "friend": "{friend}", "other": "{outsider}"}
        return " and ".join(slots[one] for one in self._dice.shuffled(who))

    def _untold(self) -> str:
        others = [who for who in ("partner", "family", "friend") if who not in self._facts.told]
        if self._facts.age < 14:
            others = [who for who in others if who != "partner"]
        return self._people([self._dice.choice(others)]) if others else "{outsider}"

    # Filling up to the length

    def _pools(self) -> dict[str, list[tuple[str, str]]]:
        """Kind -> (report, topic) to take from the end."""
        topics = self._phrases.topics
        open_reports = [report for report in REPORTS if report != self._plan.silent]
        other = {"le": "me", "me": "le"}
        relatives = [name for name, topic in topics.items() if topic.items["le"] or "relative" in topic.sentences]
        pools = {
            "relative": [(self._knows(topic), topic) for topic in self._dice.shuffled(relatives)],
            "repeat": [
                (other[report], topic + ":" + state)
                for report in REPORTS for topic, state in self._plan.told[report]
            ] if len(open_reports) == 2 else [],
        }
        return pools
