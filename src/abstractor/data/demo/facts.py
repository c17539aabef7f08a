"""The facts of one made-up case: all coded variables, drawn so that they agree with each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from abstractor.data.demo.dice import Dice

ILLNESS = "MentalHealthProblem"
DIAGNOSES = ("DiagnosisAnxiety", "DiagnosisDepressionDysthymia", "DiagnosisBipolar", "DiagnosisAdhd")
SUBSTANCE = "SubstanceAbuseProblem"
EVER_TREATED, TREATED_NOW = "HistoryMentalIllnessTreatmnt", "MentalIllnessTreatmentCurrnt"
ATTEMPT, THOUGHTS, DISCLOSED = "SuicideAttemptHistory", "SuicideThoughtHistory", "SuicideIntentDisclosed"
TOLD = {
    "partner": "DisclosedToIntimatePartner",
    "family": "DisclosedToOtherFamilyMember",
    "friend": "DisclosedToFriend",
}
"""Who was told of the intent -> its variable."""
MOOD, NOTE = "DepressedMood", "SuicideNote"
PARTNER, FAMILY, ARGUMENT = "IntimatePartnerProblem", "FamilyRelationship", "Argument"
SCHOOL, LEGAL = "SchoolProblem", "RecentCriminalLegalProblem"
PLACE, MEANS = "InjuryLocationType", "WeaponType1"

BINARIES = (ILLNESS, *DIAGNOSES, SUBSTANCE, EVER_TREATED, TREATED_NOW, ATTEMPT, THOUGHTS, DISCLOSED, *TOLD.values())
BINARIES += (MOOD, NOTE, PARTNER, FAMILY, ARGUMENT, SCHOOL, LEGAL)

# The published task gives no shares for ages and the two categorical variables: plausible ones.
_AGES = {10: 1, 11: 1, 12: 2, 13: 4, 14: 5, 15: 6, 16: 7, 17: 8, 18: 9, 19: 9, 20: 9, 21: 9, 22: 10, 23: 10, 24: 10}
_MINORS = sum(weight for age, weight in _AGES.items() if age < 18) / sum(_AGES.values())
_DATING = sum(weight for age, weight in _AGES.items() if age >= 14) / sum(_AGES.values())
_MEANS = {1: 3, 2: 12, 3: 30, 4: 6, 5: 390, 6: 415, 7: 22, 8: 18, 9: 70, 10: 12, 11: 10, 12: 12}
_PLACES = {1: 66, 2: 14, 3: 7, 4: 4, 5: 3, 6: 6}
_PLACES_OF_MEANS = {
    2: {1: 15, 3: 60, 4: 20, 6: 5},
    3: {1: 25, 3: 10, 4: 10, 5: 20, 6: 35},
    6: {1: 68, 2: 2, 3: 12, 4: 7, 5: 2, 6: 9},
    7: {2: 25, 5: 70, 6: 5},
    8: {3: 5, 5: 10, 6: 85},
}
"""Means -> weights of places, where they differ from `_PLACES`."""


@dataclass(frozen=True)
class Facts:
    """One case as an all-knowing coder would code it, and what the reports need to tell it."""

    age: int
    female: bool
    coded: dict[str, int]
    """Variable -> code, before any label noise."""
    told: tuple[str, ...]
    """Who was told of the intent: partner, family, friend or other (nobody with a variable of their own)."""
    quarrel: str
    """With whom an argument was: partner, family or other; empty where there was none."""


def draw(dice: Dice, share: Mapping[str, float]) -> Facts:
    """Draw one case.

    Args:
        dice: the case's random choices.
        share: binary variable -> expected share of positives; all of `BINARIES`.
    """
    age = dice.weighted(_AGES)
    coded = _health(dice, share, age)
    coded |= _suicidality(dice, share, bool(coded[ATTEMPT]))
    told = _told(dice, share, age) if coded[DISCLOSED] else ()
    coded |= {name: int(who in told) for who, name in TOLD.items()}
    coded |= _troubles(dice, share, age, "partner" in told)
    coded[MOOD] = int(dice.chance(_rate(share[MOOD], bool(coded[DIAGNOSES[1]]), share[DIAGNOSES[1]], 1.9)))
    coded[NOTE] = int(dice.chance(share[NOTE]))
    quarrel = _quarrel(dice, share, coded)
    coded[ARGUMENT] = int(quarrel != "")
    coded[MEANS] = dice.weighted(_MEANS)
    coded[PLACE] = dice.weighted(_PLACES_OF_MEANS.get(coded[MEANS], _PLACES))
    return Facts(age, dice.chance(0.25), coded, told, quarrel)


def _rate(share: float, member: bool, group: float, ratio: float) -> float:
    """Chance for a member of a group (of size `group`) that is `ratio` times as likely to be positive as the others.

    Over members and others together, the expected share of positives is `share`.
    """
    base = share / (1 - group + ratio * group)
    return min(base * ratio if member else base, 1.0)


def _health(dice: Dice, share: Mapping[str, float], age: int) -> dict[str, int]:
    ill = dice.chance(share[ILLNESS])
    coded = {ILLNESS: int(ill)}
    for name in DIAGNOSES:
        coded[name] = int(ill and dice.chance(share[name] / share[ILLNESS]))
    using = age >= 14 and dice.chance(_rate(share[SUBSTANCE] / _DATING, ill, share[ILLNESS], 1.7))
    coded[SUBSTANCE] = int(using)
    # Only a mental health or substance use problem is treated.
    only_using = _rate(share[SUBSTANCE], False, share[ILLNESS], 1.7) * (1 - share[ILLNESS])
    ever = (ill or using) and dice.chance(share[EVER_TREATED] / (share[ILLNESS] + only_using))
    coded[EVER_TREATED] = int(ever)
    coded[TREATED_NOW] = int(ever and dice.chance(share[TREATED_NOW] / share[EVER_TREATED]))
    coded[ATTEMPT] = int(dice.chance(_rate(share[ATTEMPT], ill, share[ILLNESS], 4)))
    return coded


def _suicidality(dice: Dice, share: Mapping[str, float], attempted: bool) -> dict[str, int]:
    """Whoever told of an intent has voiced suicidal thoughts; others may have done so longer ago."""
    disclosed = dice.chance(share[DISCLOSED])
    rest = (share[THOUGHTS] - share[DISCLOSED]) / (1 - share[DISCLOSED])
    earlier = dice.chance(_rate(rest, attempted, share[ATTEMPT], 2.5))
    return {DISCLOSED: int(disclosed), THOUGHTS: int(disclosed or earlier)}


def _told(dice: Dice, share: Mapping[str, float], age: int) -> tuple[str, ...]:
    chances = {who: share[name] / share[DISCLOSED] for who, name in TOLD.items()}
    chances["partner"] *= (age >= 14) / _DATING
    return tuple(who for who, chance in chances.items() if dice.chance(chance)) or ("other",)


def _troubles(dice: Dice, share: Mapping[str, float], age: int, partner_told: bool) -> dict[str, int]:
    minor = age < 18
    partner = age >= 14 and dice.chance(
        _rate(share[PARTNER] / _DATING, partner_told, share[TOLD["partner"]] / _DATING, 1.8)
    )
    return {
        PARTNER: int(partner),
        FAMILY: int(dice.chance(_rate(share[FAMILY], minor, _MINORS, 2.2))),
        SCHOOL: int(dice.chance(_rate(share[SCHOOL], minor, _MINORS, 4))),
        LEGAL: int(dice.chance(_rate(share[LEGAL], minor, _MINORS, 0.3))),
    }


def _quarrel(dice: Dice, share: Mapping[str, float], coded: Mapping[str, int]) -> str:
    """Mostly part of a trouble with the partner or the family; else with anybody, mostly without such a trouble."""
    troubled = [who for who, name in (("partner", PARTNER), ("family", FAMILY)) if coded[name]]
    group = 1 - (1 - share[PARTNER]) * (1 - share[FAMILY])
    if not dice.chance(_rate(share[ARGUMENT], bool(troubled), group, 8)):
        return ""
    return dice.choice(troubled) if troubled else dice.weighted({"family": 0.4, "other": 0.6})
