"""Which report tells what: every fact of a case as a state of a topic, given to the authority that would know it."""

from dataclasses import dataclass
from typing import NamedTuple

from abstractor.data.demo import facts as f
from abstractor.data.demo.dice import Dice
from abstractor.data.demo.phrases import REPORTS, Phrases

EMPTY = 0.04
"""Share of cases in which one of the two reports is empty."""

OMITTED = 0.015
"""Share of facts that stand in neither report: the coders knew more than the reports say."""

DOUBT = 0.18
"""Share of what is not so that, where it is spoken of, is left open rather than denied."""

BOTH = 0.4
"""Share of reports that state place and means although the other does: both authorities record them."""

_OTHER = {"le": "me", "me": "le"}

_SIMPLE = {
    "depression": "DiagnosisDepressionDysthymia",
    "anxiety": "DiagnosisAnxiety",
    "bipolar": "DiagnosisBipolar",
    "adhd": "DiagnosisAdhd",
    "attempt": f.ATTEMPT,
    "disclosure": f.DISCLOSED,
    "substance": f.SUBSTANCE,
    "mood": f.MOOD,
    "partner": f.PARTNER,
    "family": f.FAMILY,
    "school": f.SCHOOL,
    "legal": f.LEGAL,
    "note": f.NOTE,
}
"""Topics that are present or absent as one variable says."""


class Statement(NamedTuple):
    """One thing to say: in which report, on which topic, in which state."""

    report: str
    topic: str
    state: str


@dataclass(frozen=True)
class Plan:
    """What the two reports of a case say."""

    reports: tuple[str, ...]
    """The reports that are not empty."""
    statements: list[Statement]
    """The facts; each once, but place and means sometimes in both reports."""
    extras: dict[str, list[Statement]]
    """What fills a case up, in random order: denied (absent or in doubt), relative (a relative's own), repeated."""


def states(facts: f.Facts) -> dict[str, str]:
    """Topic -> its state; a topic that other topics already tell is left out."""
    coded = facts.coded
    result = {topic: "present" if coded[name] else "absent" for topic, name in _SIMPLE.items()}
    if not any(coded[name] for name in f.DIAGNOSES):
        result["illness"] = "present" if coded[f.ILLNESS] else "absent"
    if coded[f.EVER_TREATED]:
        result["treatment"] = ("now" if coded[f.TREATED_NOW] else "past") + ("" if coded[f.ILLNESS] else "_for_use")
    else:
        result["treatment"] = "absent"
    if not coded[f.DISCLOSED]:
        result["thoughts"] = "present" if coded[f.THOUGHTS] else "absent"
    result["argument"] = facts.quarrel or "absent"
    if facts.age < 14 and result["partner"] == "absent":
        del result["partner"]
    return result | {"place": "stated", "means": "stated"}


def draw(dice: Dice, facts: f.Facts, phrases: Phrases) -> Plan:
    """Divide the facts between the reports."""
    reports = (dice.choice(REPORTS),) if dice.chance(EMPTY) else REPORTS

    def knows(topic: str) -> str:
        if len(reports) == 1:
            return reports[0]
        return "le" if dice.chance(phrases.topics[topic].le) else "me"

    statements, denied = [], []
    for topic, state in states(facts).items():
        # An argument at home looks like family trouble unless the report says otherwise.
        if state == "absent" and not (topic == "family" and facts.quarrel == "family"):
            denied.append(Statement(knows(topic), topic, "doubt" if dice.chance(DOUBT) else state))
        elif not dice.chance(OMITTED):
            statements.append(Statement(knows(topic), topic, state))
    relatives = [topic for topic, entry in phrases.topics.items() if entry.can("relative")]
    again = [Statement(_OTHER[one.report], one.topic, one.state) for one in statements if len(reports) == 2]
    both = [one for one in again if one.state == "stated" and dice.chance(BOTH)]
    extras = {
        "denied": denied,
        "relative": [Statement(knows(topic), topic, "relative") for topic in relatives],
        "repeated": [one for one in again if one not in both],
    }
    return Plan(reports, statements + both, {kind: dice.shuffled(more) for kind, more in extras.items()})
