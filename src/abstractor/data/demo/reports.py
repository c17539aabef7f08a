"""Writes the two reports of a case in varied, abbreviated prose."""

from collections.abc import Sequence

from abstractor.data.demo import plan as planning
from abstractor.data.demo.dice import Dice
from abstractor.data.demo.facts import MEANS, PLACE, Facts
from abstractor.data.demo.phrases import REPORTS, Phrases
from abstractor.data.demo.plan import Statement
from abstractor.data.demo.voice import Voice

_DIAGNOSES = {"depression", "anxiety", "bipolar", "adhd"}
_PEOPLE = {"partner": "{partner}", "family": "{kin}", "friend": "{friend}", "other": "{outsider}"}
_EXTRAS = {"denied": 4.0, "relative": 1.2, "repeated": 3.0, "routine": 2.0}
"""Weights of what fills a case up; `routine` tells no fact."""
_ATTRIBUTED = 0.12
"""Share of clauses that name their source."""
_LISTABLE = {"present", "absent", "doubt", "relative"}
_HALF_A_CLAUSE = 3


def write(dice: Dice, facts: Facts, phrases: Phrases, words: float) -> dict[str, str]:
    """Report -> its text.

    Args:
        dice: the case's random choices.
        facts: what to tell.
        phrases: the tables.
        words: length of both reports together, which a case with many facts exceeds.
    """
    return _Case(dice, facts, phrases).write(words)


class _Case:
    """One case while its reports are written."""

    def __init__(self, dice: Dice, facts: Facts, phrases: Phrases) -> None:
        self._dice, self._facts, self._phrases = dice, facts, phrases
        self._plan = planning.draw(dice, facts, phrases)
        slots = {"age": str(facts.age), "sex": dice.choice(("F", "female") if facts.female else ("M", "male"))}
        slots["partner"] = "{girlfriend}" if dice.chance(0.1 if facts.female else 0.9) else "{boyfriend}"
        slots["place"] = dice.choice(phrases.places[facts.coded[PLACE]]["le"])
        slots["means"] = dice.choice(phrases.means[facts.coded[MEANS]]["le"])
        self._voices = {report: Voice(dice, phrases, report, slots) for report in self._plan.reports}
        self._clauses: dict[str, list[str]] = {report: [] for report in self._plan.reports}
        self._used: set[str] = set()
        self._length = 0

    def write(self, words: float) -> dict[str, str]:
        """Facts first; then extras, whatever comes, until the case is long enough."""
        openings = {report: self._opening(report) for report in self._plan.reports}
        for report in self._plan.reports:
            self._tell(report)
        while self._length < words - _HALF_A_CLAUSE:
            self._fill()
        texts = dict.fromkeys(REPORTS, "")
        for report, clauses in self._clauses.items():
            texts[report] = self._prose(openings[report] + self._dice.shuffled(clauses))
        return texts

    def _opening(self, report: str) -> list[str]:
        if not self._dice.chance(0.6):
            return []
        clause = self._voices[report].say(self._dice.choice(self._phrases.intro[report]))
        self._length += clause.count(" ") + 1
        return [clause]

    def _tell(self, report: str) -> None:
        listed = []
        for statement in self._plan.statements:
            if statement.report == report:
                if self._goes_in_list(statement):
                    listed.append(statement.topic)
                else:
                    self._add(report, self._clause(statement))
        if listed:
            self._add(report, self._history(report, self._dice.shuffled(listed)))

    def _fill(self) -> None:
        kind = self._dice.weighted(_EXTRAS)
        if kind == "routine" or not self._plan.extras[kind]:
            report = self._dice.choice(self._plan.reports)
            return self._add(report, self._voices[report].say(self._unused(self._phrases.filler[report])))
        statement = self._plan.extras[kind].pop()
        if not self._goes_in_list(statement):
            return self._add(statement.report, self._clause(statement))
        report, topics = statement.report, [statement.topic]
        if statement.state == "absent":
            topics += self._deniable(self._dice.choice((0, 1, 1, 2)))
        join = " and " if statement.state in ("present", "relative") else " or "
        return self._add(report, self._framed(report, statement.state, list=self._items(report, topics, join)))

    def _goes_in_list(self, statement: Statement) -> bool:
        topic = self._phrases.topics[statement.topic]
        if statement.state not in _LISTABLE or not topic.items[statement.report]:
            return False
        return statement.state not in topic.sentences or self._dice.chance(0.5)

    def _history(self, report: str, topics: Sequence[str]) -> str:
        """One clause that affirms all topics, sometimes denying others in the same breath."""
        affirmed = self._items(report, topics, " and ")
        denied = self._deniable(self._dice.choice((1, 2))) if self._dice.chance(0.3) else []
        if denied:
            return self._framed(report, "mixed", list=affirmed, nolist=self._items(report, denied, " or "))
        kind = "diagnoses" if _DIAGNOSES.issuperset(topics) and self._dice.chance(0.5) else "present"
        return self._framed(report, kind, list=affirmed)

    def _deniable(self, most: int) -> list[str]:
        """Take up to `most` absent topics that can stand in a list."""
        pool = self._plan.extras["denied"]
        topics = self._phrases.topics
        found = [one for one in pool if one.state == "absent" and topics[one.topic].items["le"]][:most]
        for one in found:
            pool.remove(one)
        return [one.topic for one in found]

    def _items(self, report: str, topics: Sequence[str], join: str) -> str:
        voice = self._voices[report]
        names = [voice.say(self._dice.choice(self._phrases.topics[topic].items[report])) for topic in topics]
        return join.join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    def _framed(self, report: str, kind: str, **lists: str) -> str:
        return self._voices[report].say(self._dice.choice(self._phrases.frames[kind][report]), **lists)

    def _clause(self, statement: Statement) -> str:
        report, topic, state = statement
        slots = {"told": self._people(self._facts.told), "untold": self._unaware()} if topic == "disclosure" else {}
        phrasing = self._unused(self._phrases.topics[topic].sentences[state][report])
        if state != "stated" and self._dice.chance(_ATTRIBUTED):
            phrasing = "{per} {source}, " + phrasing
        return self._voices[report].say(phrasing, **slots)

    def _people(self, who: Sequence[str]) -> str:
        return " and ".join(_PEOPLE[one] for one in self._dice.shuffled(who))

    def _unaware(self) -> str:
        known = ("partner", "family", "friend") if self._facts.age >= 14 else ("family", "friend")
        others = [who for who in known if who not in self._facts.told]
        return _PEOPLE[self._dice.choice(others)] if others else "{outsider}"

    def _unused(self, lines: Sequence[str]) -> str:
        """A phrasing that the case has not had, as far as a few draws find one."""
        for _ in range(4):
            line = self._dice.choice(lines)
            if line not in self._used:
                break
        self._used.add(line)
        return line

    def _add(self, report: str, clause: str) -> None:
        self._clauses[report].append(clause)
        self._length += clause.count(" ") + 1

    def _prose(self, clauses: Sequence[str]) -> str:
        """Clauses as sentences, some joined by semicolons."""
        text = ""
        joined = False
        for clause in clauses:
            text += clause if joined else clause[:1].upper() + clause[1:]
            joined = self._dice.chance(0.15)
            text += "; " if joined else ". "
        return text[:-2] + "." if text else text
