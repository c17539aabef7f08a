import numpy as np
import pytest
from support import ROOT

from abstractor.data.cases import codebook
from abstractor.data.demo import facts as f
from abstractor.data.demo.dice import Dice

CODEBOOK = codebook.load(ROOT / "data" / "codebooks" / "nvdrs_youth.yaml")
SHARE = {variable.name: variable.share for variable in CODEBOOK.variables if variable.share is not None}


@pytest.fixture(scope="module")
def cases() -> list[f.Facts]:
    return [f.draw(Dice(11, number), SHARE) for number in range(5000)]


def test_draws_every_variable_with_codes_of_the_codebook(cases: list[f.Facts]) -> None:
    for variable in CODEBOOK.variables:
        assert {case.coded[variable.name] for case in cases} == set(variable.codes)
    assert all(case.coded.keys() == set(CODEBOOK.names) for case in cases)


@pytest.mark.parametrize("name", f.BINARIES)
def test_share_is_the_codebooks(cases: list[f.Facts], name: str) -> None:
    assert np.mean([case.coded[name] for case in cases]) == pytest.approx(SHARE[name], abs=0.025)


@pytest.mark.parametrize(
    ("fact", "implied"),
    [
        *((name, {f.ILLNESS}) for name in f.DIAGNOSES),
        *((name, {f.DISCLOSED}) for name in f.TOLD.values()),
        (f.DISCLOSED, {f.THOUGHTS}),
        (f.TREATED_NOW, {f.EVER_TREATED}),
        (f.EVER_TREATED, {f.ILLNESS, f.SUBSTANCE}),
    ],
)
def test_fact_implies_one_of(cases: list[f.Facts], fact: str, implied: set[str]) -> None:
    positive = [case for case in cases if case.coded[fact]]
    assert positive
    assert all(any(case.coded[name] for name in implied) for case in positive)


def test_argument_with_a_partner_is_partner_trouble(cases: list[f.Facts]) -> None:
    assert {case.quarrel for case in cases} == {"", "partner", "family", "other"}
    assert all(case.coded[f.PARTNER] for case in cases if case.quarrel == "partner")
    assert all(case.coded[f.ARGUMENT] == (case.quarrel != "") for case in cases)


def test_children_have_no_partner_and_no_substance_problem(cases: list[f.Facts]) -> None:
    children = [case for case in cases if case.age < 14]
    assert children
    assert not any(case.coded[name] for case in children for name in (f.PARTNER, f.SUBSTANCE, f.TOLD["partner"]))


def test_told_names_everybody_with_a_variable(cases: list[f.Facts]) -> None:
    for case in cases:
        assert (case.told != ()) == (case.coded[f.DISCLOSED] == 1)
        assert {f.TOLD[who] for who in case.told if who != "other"} == {n for n in f.TOLD.values() if case.coded[n]}


def test_facts_hang_together(cases: list[f.Facts]) -> None:
    def share(fact: str, given: str, value: int) -> float:
        return float(np.mean([case.coded[fact] for case in cases if case.coded[given] == value]))

    for fact, given in [
        (f.ATTEMPT, f.ILLNESS),
        (f.THOUGHTS, f.ATTEMPT),
        (f.MOOD, f.DIAGNOSES[1]),
        (f.ARGUMENT, f.FAMILY),
    ]:
        assert share(fact, given, 1) > share(fact, given, 0) + 0.1
