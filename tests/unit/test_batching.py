from itertools import chain

import numpy as np

from abstractor.batching import MASK_TOKENS, Steps, by_budget, cost


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
    steps = Steps([1] * 10, batch_size=4, pool=2, seed=0)
    first, second = list(steps), list(steps)
    assert len(steps) == len(first) == 3
    assert first != second
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert list(Steps([1] * 10, batch_size=4, pool=2, seed=0)) == first


def test_pools_bring_near_equal_lengths_together() -> None:
    lengths = np.random.default_rng(0).integers(5, 400, 512)

    def spread(pool: int) -> float:
        return float(np.mean([np.ptp(lengths[step]) for step in Steps(lengths.tolist(), 8, pool, 0)]))

    assert spread(16) < spread(1) / 4
