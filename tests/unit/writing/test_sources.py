"""Triples of sources: no pair twice, all from one fold, the same plan for all writers."""

from itertools import combinations

import pytest

from abstractor.base.messages.writing import SourcesError
from abstractor.writing.sources import Sources, most_triples, share


def uids(count: int) -> list[str]:
    return [f"c{number:03d}" for number in range(count)]


def pairs(plan: list[Sources]) -> list[tuple[str, str]]:
    return [pair for triple in plan for pair in combinations(sorted(triple), 2)]


@pytest.mark.parametrize(("cases", "triples"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (7, 5), (9, 10), (60, 571)])
def test_every_triple_that_is_counted_is_found_and_no_pair_stands_in_two(cases: int, triples: int) -> None:
    plan = share(0, uids(cases), ["a"], "a", triples, seed=3) if triples else []

    assert most_triples(cases) == triples == len(plan)
    assert len(set(pairs(plan))) == len(pairs(plan)) == 3 * triples
    assert {uid for triple in plan for uid in triple} <= set(uids(cases))


def test_writers_share_one_plan_and_a_writer_more_changes_no_part_before_its_own() -> None:
    two = [share(0, uids(60), ["a", "b"], writer, 100, seed=3) for writer in ("a", "b")]
    three = [share(0, uids(60), ["a", "b", "c"], writer, 100, seed=3) for writer in ("a", "b", "c")]
    everything = [triple for part in three for triple in part]

    assert two == three[:2]
    assert len(set(pairs(everything))) == 900
    assert share(0, uids(60), ["all"], "all", 300, seed=3) == everything


def test_the_plan_depends_on_the_seed_and_not_on_the_order_of_the_cases() -> None:
    plan = share(0, uids(60), ["a"], "a", 50, seed=3)

    assert share(0, uids(60)[::-1], ["a"], "a", 50, seed=3) == plan
    assert share(0, uids(60), ["a"], "a", 50, seed=4) != plan


def test_a_short_plan_uses_many_cases_and_none_often() -> None:
    used = [uid for triple in share(0, uids(61), ["a"], "a", 40, seed=3) for uid in triple]

    assert len(set(used)) > 50
    assert max(map(used.count, used)) <= 4


def test_a_fold_that_is_too_small_names_the_largest_number() -> None:
    with pytest.raises(SourcesError, match=r"fold 1: 9 cases .* 10 triples .* make_cases\.cases to 5 or less"):
        share(1, uids(9), ["a", "b"], "b", 6, seed=3)
    assert len(share(1, uids(9), ["a", "b"], "b", 5, seed=3)) == 5
    with pytest.raises(SourcesError, match="use fewer folds"):
        share(1, uids(2), ["a"], "a", 1, seed=3)


@pytest.mark.parametrize("writers", [[], ["b"], ["a", "a"]])
def test_a_writer_has_one_part(writers: list[str]) -> None:
    with pytest.raises(SourcesError, match="making: expected a once"):
        share(0, uids(9), writers, "a", 1, seed=3)
