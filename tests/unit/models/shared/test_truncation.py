from abstractor.models.shared.truncation import cut_middle, fair_shares


def test_a_short_text_keeps_all_and_the_long_one_takes_the_rest() -> None:
    assert fair_shares([3, 100], 20) == [3, 17]
    assert fair_shares([100, 3], 20) == [17, 3]


def test_two_long_texts_share_evenly() -> None:
    assert fair_shares([100, 90], 20) == [10, 10]


def test_texts_that_fit_are_left_whole() -> None:
    assert fair_shares([5, 6], 20) == [5, 6]


def test_the_middle_goes_first() -> None:
    assert cut_middle(range(10), 5) == [0, 1, 2, 8, 9]
    assert cut_middle(range(10), 1) == [0]
    assert cut_middle(range(3), 5) == [0, 1, 2]
