import numpy as np
import pytest

from abstractor.data.demo.dice import Dice


def test_same_key_same_stream_beyond_one_block() -> None:
    one, other = Dice(3, 0, 7), Dice(3, 0, 7)
    assert [one.roll() for _ in range(600)] == [other.roll() for _ in range(600)]


def test_keys_have_streams_of_their_own() -> None:
    assert len({Dice(*key).roll() for key in [(3, 0, 7), (3, 1, 7), (3, 0, 8), (4, 0, 7)]}) == 4


def test_weighted_follows_the_weights() -> None:
    dice = Dice(1)
    drawn = [dice.weighted({"a": 1, "b": 3}) for _ in range(4000)]
    assert np.mean([one == "b" for one in drawn]) == pytest.approx(0.75, abs=0.03)


def test_shuffled_keeps_the_items() -> None:
    items = list(range(30))
    mixed = Dice(1).shuffled(items)
    assert mixed != items
    assert sorted(mixed) == items
