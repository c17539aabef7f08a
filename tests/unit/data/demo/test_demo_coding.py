import numpy as np
import pytest
from support import ROOT

from abstractor.data.cases import codebook
from abstractor.data.demo.coding import Coder
from abstractor.data.demo.dice import Dice

CODEBOOK = codebook.load(ROOT / "data" / "codebooks" / "nvdrs_youth.yaml")


def facts(number: int) -> dict[str, int]:
    """Facts at the codebook's shares, each variable for itself."""
    dice = Dice(20, number)
    return {v.name: int(dice.chance(v.share)) if v.share else dice.choice(v.codes) for v in CODEBOOK.variables}


TRUE = [facts(number) for number in range(3000)]


def coded(noise: float) -> np.ndarray:
    coder = Coder(CODEBOOK, noise)
    return np.array([coder.code(Dice(21, number), case) for number, case in enumerate(TRUE)])


def truth() -> np.ndarray:
    return np.array([[case[name] for name in CODEBOOK.names] for case in TRUE])


def test_without_noise_the_labels_are_the_facts() -> None:
    assert np.array_equal(coded(0.0), truth())


@pytest.mark.parametrize("noise", [0.03, 0.2])
def test_share_of_wrong_labels(noise: float) -> None:
    assert np.mean(coded(noise) != truth()) == pytest.approx(noise, rel=0.1)


def test_more_misses_than_false_alarms_and_shares_stay() -> None:
    binary = [number for number, variable in enumerate(CODEBOOK.variables) if variable.kind == "binary"]
    true, found = truth()[:, binary], coded(0.03)[:, binary]
    assert np.sum((true == 1) & (found == 0)) > np.sum((true == 0) & (found == 1)) > 0
    assert np.abs(true.mean(axis=0) - found.mean(axis=0)).max() < 0.02


def test_a_code_is_confused_with_its_neighbours_only() -> None:
    for number, variable in enumerate(CODEBOOK.variables):
        if variable.kind == "categorical":
            distance = np.abs(coded(0.2)[:, number] - truth()[:, number])
            assert set(distance) == {0, 1}
            assert set(coded(0.2)[:, number]) <= set(variable.codes)
