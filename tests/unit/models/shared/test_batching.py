from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from abstractor.models.shared.batching import MASK_TOKENS, by_budget, cost, padded
from abstractor.training.loop.steps import Extra, Steps, epoch_sizes


def test_groups_stay_in_the_budget_and_hold_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 400, 300).tolist()
    groups = by_budget(lengths, 2000)
    assert sorted(row for group in groups for row in group) == list(range(300))
    for group in groups:
        assert len(group) == 1 or len(group) * cost(max(lengths[row] for row in group)) <= 2000


def test_groups_hold_neighbours_in_length() -> None:
    lengths = [10, 300, 11, 299, 12, 298]
    assert by_budget(lengths, 3 * cost(300)) == [[1, 3, 5], [4, 2, 0]]


def test_a_row_dearer_than_the_budget_stands_alone() -> None:
    assert by_budget([500, 10, 500], 100) == [[0], [2], [1]]


def test_the_mask_area_counts() -> None:
    assert cost(MASK_TOKENS) == 2 * MASK_TOKENS


def test_every_epoch_has_all_cases_in_another_order() -> None:
    steps = Steps([1] * 10, batch_size=4, pool=2, seed=0, epochs=2)
    first, second = list(steps)[:3], list(steps)[3:]
    assert len(steps) == 6
    assert steps.ends == [3, 6]
    assert first != second
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert list(Steps([1] * 10, batch_size=4, pool=2, seed=0)) == first


def test_an_epoch_takes_its_share_of_extra_cases_in_the_first_epochs_only() -> None:
    steps = Steps([1] * 12, batch_size=4, pool=1, seed=0, epochs=3, extra=Extra([2, 3, 4, 5, 6, 7, 8, 9], 1.0, 2))
    numbers = list(chain(*steps))
    epochs = [numbers[:8], numbers[8:16], numbers[16:]]
    assert steps.ends == [2, 4, 5]
    for epoch in epochs:
        assert {0, 1, 10, 11} <= set(epoch)
        assert len(set(epoch)) == len(epoch)
    assert set(epochs[0]) != set(epochs[1])
    assert sorted(epochs[2]) == [0, 1, 10, 11]


def test_extra_cases_never_stand_twice_in_an_epoch() -> None:
    steps = Steps([1] * 5, batch_size=5, pool=1, seed=0, extra=Extra([4], 100.0))
    assert sorted(chain(*steps)) == [0, 1, 2, 3, 4]


def test_passes_are_added_until_there_are_the_least_steps() -> None:
    few = Steps([1] * 10, batch_size=4, pool=2, seed=0, epochs=2, least_steps=10)
    assert few.ends == [3, 6, 9, 12]
    assert list(few)[:6] == list(Steps([1] * 10, batch_size=4, pool=2, seed=0, epochs=2))
    assert epoch_sizes(10, Extra(), 4, 2, 6) == epoch_sizes(10, Extra(), 4, 2) == [10, 10]


def test_added_passes_take_extra_cases_only_where_all_do() -> None:
    assert epoch_sizes(4, Extra(range(8), 1.0, 2), 4, 1, 6) == [8, 8, 4, 4]
    assert epoch_sizes(4, Extra(range(8), 1.0), 4, 1, 6) == [8, 8, 8]


def test_pools_bring_near_equal_lengths_together() -> None:
    lengths = np.random.default_rng(0).integers(5, 400, 512)

    def spread(pool: int) -> float:
        return float(np.mean([np.ptp(lengths[step]) for step in Steps(lengths.tolist(), 8, pool, 0)]))

    assert spread(16) < spread(1) / 4


@given(st.integers(1, 200_000))
def test_a_padded_row_is_a_little_longer_and_of_few_lengths(length: int) -> None:
    assert padded(length) % 8 == 0
    assert length <= padded(length) < length + max(8, length / 8 + 1)
    assert padded(padded(length)) == padded(length)
    assert padded(length) <= padded(length + 1)
