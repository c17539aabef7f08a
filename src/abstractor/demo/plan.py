"""Which report tells what: every fact of a case as a state of a topic, given to the authority that would know it."""

from dataclasses import dataclass

from abstractor.demo import facts as f
from abstractor.demo.dice import Dice
from abstractor.demo.phrases import REPORTS, Phrases

EMPTY = 0.04
"""Share of cases in which one of the two reports is empty."""

UNTOLD = 0.015
"""Share of facts that stand in neither report: the coders knew more than the reports say."""

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


@dataclass(frozen=True)
class Plan:
    """What the two reports of a case have to tell."""

    silent: str | None
    """The report that stays empty."""
    told: dict[str, list[tuple[str, str]]]
    """Report -> (topic, state) to tell, in no order."""
    absent: list[str]
    """Topics that may be denied or doubted, in random order."""


def states(facts: f.Facts) -> dict[str, str]:
    """Topic -> its state; a topic that other topics already tell is left out."""
    coded = facts.coded
    result = {topic: "present" if coded[name] else "absent" for topic, name in _SIMPLE.items()}
    if not any(coded[name] for name in f.DIAGNOSES):
        result["illness"] = "present" if coded[f.ILLNESS] else "absent"
    result["treatment"] = "now" if coded[f.TREATED_NOW] else "past" if coded[f.EVER_TREATED] else "absent"
    if not coded[f.DISCLOSED]:
        result["thoughts"] = "present" if coded[f.THOUGHTS] else "absent"
    result["argument"] = facts.quarrel or "absent"
    if facts.age < 14 and result["partner"] == "absent":
        del result["partner"]
    return result | {"place": "stated", "means": "stated"}


def draw(dice: Dice, facts: f.Facts, phrases: Phrases) -> Plan:
    """Divide the facts between the reports."""
    silent = dice.choice(REPORTS) if dice.chance(EMPTY) else None
    told: dict[str, list[tuple[str, str]]] = {report: [] for report in REPORTS}
    absent = []
    for topic, state in states(facts).items():
        # An argument at home looks like family trouble unless the report says otherwise.
        denied = topic == "family" and facts.quarrel == "family"
        if state == "absent" and not denied:
            absent.append(topic)
        elif not dice.chance(UNTOLD):
            knows = "le" if dice.chance(phrases.topics[topic].le) else "me"
            if knows == silent:
                knows = "me" if silent == "le" else "le"
            told[knows].append((topic, state))
    return Plan(silent, told, dice.shuffled(absent))
