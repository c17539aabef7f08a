"""Exposure, membership, planted codes, and the page that tells of them; the attack itself runs under tests/stages."""

import math

import attacker
import memorisation
import numpy as np
import pytest
from exposure import chance, exposure, membership


def test_a_secret_that_is_likeliest_of_all_is_fully_exposed() -> None:
    assert exposure(1.0, np.arange(2.0, 257.0)) == 8


def test_a_secret_that_is_unlikeliest_is_not_exposed() -> None:
    assert exposure(9.0, np.zeros(255)) == 0


def test_equal_losses_count_as_half_a_place() -> None:
    assert exposure(1.0, np.ones(2)) == pytest.approx(math.log2(3) - 1)


def test_chance_is_the_mean_over_all_ranks() -> None:
    others = np.arange(7.0)
    assert chance(7) == pytest.approx(np.mean([exposure(rank - 0.5, others) for rank in range(8)]))


def test_membership_tells_low_losses_from_high_ones() -> None:
    rng = np.random.default_rng(0)
    same, other = rng.normal(size=400), rng.normal(size=400)
    found = membership(same, other, 200, 0)
    assert found["low"] < 0.5 < found["high"]
    assert membership(same - 9, other, 200, 0) == pytest.approx({"auc": 1, "low": 1, "high": 1})
    assert membership(same + 9, other, 200, 0)["auc"] == 0


def test_every_case_has_a_code_and_a_repeated_one_stands_in_as_many() -> None:
    planted = attacker.plant({1: 3, 4: 2}, unseen=2, seed=5)
    reports = planted.cases.iloc[:, 0]
    codes = reports.str.extract(r" File code (\d{6})$")[0]
    assert planted.members == 11
    assert len(planted.cases) == len(planted.labels) == 22
    assert codes.notna().all()
    assert [code.times for code in planted.codes] == [1, 1, 1, 4, 4, 0, 0]
    for code in planted.codes:
        assert reports[code.uid].endswith(code.digits)
        assert (codes[: planted.members] == code.digits).sum() == code.times
    assert not set(codes[planted.members :]) & set(codes[: planted.members])


def content(bits: float) -> dict[str, object]:
    guess = {"answers": {"auc": 0.5, "low": 0.4, "high": 0.6}, "reports": {"auc": 0.52, "low": 0.4, "high": 0.6}}
    codes = {"0": {"codes": 2, "exposure": 1.4, "extracted": 0}, "16": {"codes": 2, "exposure": bits, "extracted": 1}}
    adapters = {memorisation.BASE: {"codes": codes, "membership": guess}}
    adapters[memorisation.REPORTS] = {"codes": codes, "membership": guess}
    facts = {"machine": "a machine", "backbone": "b", "members": 9, "epochs": 2, "most": 8.0, "chance": 1.42}
    return facts | {"adapters": adapters}


def test_a_control_that_shows_nothing_is_refused() -> None:
    memorisation.check_control(content(7.5))
    for bits in (1.5, math.nan):
        with pytest.raises(memorisation.MemorisationError, match="the measure sees nothing"):
            memorisation.check_control(content(bits))


def test_the_table_has_a_line_an_adapter() -> None:
    lines = memorisation.table(content(7.5)).splitlines()
    assert "| none | 1.4 (0 of 2) | 7.5 (1 of 2) | 0.50 (0.40 to 0.60) | 0.52 (0.40 to 0.60) |" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_the_page_has_a_place_for_the_table() -> None:
    page = memorisation.PAGE.read_text(encoding="utf-8")
    assert memorisation.BEFORE in page.partition(memorisation.AFTER)[0]
