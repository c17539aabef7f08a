import numpy as np
import pytest
from support import ROOT

from abstractor.data.cases import codebook
from abstractor.data.demo import facts, phrases, plan, reports
from abstractor.data.demo.dice import Dice

CODEBOOK = codebook.load(ROOT / "data" / "codebooks" / "nvdrs_youth.yaml")
SHARE = {variable.name: variable.share for variable in CODEBOOK.variables if variable.share is not None}
TABLES = phrases.load()
CASES = [facts.draw(Dice(2, number), SHARE) for number in range(1500)]
PLANS = [plan.draw(Dice(3, number), case, TABLES) for number, case in enumerate(CASES)]


def test_nearly_all_facts_are_told() -> None:
    told = []
    for case, one in zip(CASES, PLANS, strict=True):
        topics = {statement.topic for statement in one.statements}
        told += [topic in topics for topic, state in plan.states(case).items() if state != "absent"]
    assert 0.97 < np.mean(told) < 1


def test_an_absent_fact_is_never_told_as_present() -> None:
    for case, one in zip(CASES, PLANS, strict=True):
        states = plan.states(case)
        assert all(statement.state == states[statement.topic] for statement in one.statements)
        assert all(states[statement.topic] == "absent" for statement in one.extras["denied"])


def test_each_state_has_words() -> None:
    for case in CASES:
        assert all(TABLES.topics[topic].can(state) for topic, state in plan.states(case).items())


def test_authorities_tell_what_they_know() -> None:
    def of_law_enforcement(topic: str) -> float:
        told = [one for p in PLANS if len(p.reports) == 2 for one in p.statements if one.topic == topic]
        return float(np.mean([one.report == "le" for one in told]))

    assert of_law_enforcement("legal") > 0.7 > 0.45 > of_law_enforcement("depression")
    assert of_law_enforcement("partner") > 0.6 > 0.4 > of_law_enforcement("treatment")


def test_a_quarrel_at_home_without_family_trouble_says_so() -> None:
    quiet = [p for c, p in zip(CASES, PLANS, strict=True) if c.quarrel == "family" and not c.coded[facts.FAMILY]]
    assert quiet
    denied = [any((one.topic, one.state) == ("family", "absent") for one in one_plan.statements) for one_plan in quiet]
    assert np.mean(denied) > 0.9


@pytest.mark.parametrize("words", [60, 250])
def test_a_case_is_as_long_as_asked(words: int) -> None:
    texts = [reports.write(Dice(4, n), case, TABLES, words) for n, case in enumerate(CASES[:400])]
    lengths = [len(" ".join(text.values()).split()) for text in texts]
    assert np.mean(lengths) == pytest.approx(words, rel=0.1)
    assert max(lengths) < words + 60


def test_a_denied_diagnosis_and_an_affirmed_one_share_words() -> None:
    """Words alone must not decide: the noun of a fact stands in cases with and without it."""
    texts = [" ".join(reports.write(Dice(4, n), case, TABLES, 60).values()) for n, case in enumerate(CASES)]
    for word, name in [("depression", "DiagnosisDepressionDysthymia"), ("ADHD", "DiagnosisAdhd"), ("note", facts.NOTE)]:
        found = [case.coded[name] for case, text in zip(CASES, texts, strict=True) if word in text]
        assert 0.1 < np.mean(found) < 0.85, word


def test_place_and_means_are_those_of_the_case() -> None:
    named = []
    for number, case in enumerate(CASES):
        text = " ".join(reports.write(Dice(4, number), case, TABLES, 60).values()).lower()
        for code, table in ((case.coded[facts.MEANS], TABLES.means), (case.coded[facts.PLACE], TABLES.places)):
            # A line with a slot of its own is recognised by its end: "at {parent}'s house".
            named.append(any(line.split("}")[-1].lower() in text for line in table[code]["le"]))
    assert np.mean(named) > 0.97


def test_same_dice_same_reports() -> None:
    assert reports.write(Dice(9), CASES[0], TABLES, 80) == reports.write(Dice(9), CASES[0], TABLES, 80)
    assert reports.write(Dice(9), CASES[0], TABLES, 80) != reports.write(Dice(8), CASES[0], TABLES, 80)
