"""What the benchmarks share, and the page that is written from their results."""

import json
from importlib import import_module
from pathlib import Path

import measure
import pytest
from measure import Result

table = import_module("all")  # the name of a built-in function

MET = Result("fast against slow", "2 cases", 3.0, 2.0, True, 1e-6, 3.1, {"fast": [1.0, 2.0, 1.5], "slow": [4.5]}, "why")
MISSED = Result("a share", "3 cases", 0.5, 0.75)
WRONG = Result("other answers", "3 cases", 9.0, 2.0, same_answer=False, difference=0.3)


def content(*results: Result, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    measure.report("ar_scoring", list(results), model="m")
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    return dict(printed) | {"date": "a day", "versions": {"torch": "2"}}


def test_a_goal_needs_the_ratio_and_the_same_answer() -> None:
    assert (MET.met, MISSED.met, WRONG.met) == (True, False, False)


def test_a_report_ends_with_the_result_that_is_furthest_from_its_goal(capsys: pytest.CaptureFixture[str]) -> None:
    found = content(MET, MISSED, WRONG, capsys=capsys)

    assert (found["ratio"], found["goal"], found["met"], found["same_answer"]) == (0.5, 0.75, False, False)
    assert found["model"] == "m"


def test_sides_are_timed_in_turn_after_one_run_that_is_not() -> None:
    order: list[str] = []
    seconds = measure.in_turn({name: lambda name=name: order.append(name) for name in "ab"}, 2)  # type: ignore[misc]

    assert order == list("ababab")
    assert [len(took) for took in seconds.values()] == [2, 2]
    assert measure.ratio({"ours": [1.0, 2.0, 9.0], "theirs": [8.0]}, "ours", "theirs") == 4.0


def test_cases_are_cut_or_repeated_to_a_number_of_words() -> None:
    corpus = measure.demo(20, 60)
    for words in (30, 300):
        made = measure.with_words(corpus, words).cases
        assert {sum(len(text.split()) for text in case) for case in made.to_numpy().tolist()} == {words}


def test_the_page_says_what_was_met_and_what_was_not(capsys: pytest.CaptureFixture[str]) -> None:
    page = table.page({"ar_scoring": content(MET, MISSED, WRONG, capsys=capsys)}, {"ar_scoring": "A remark."})

    assert "| fast 1.50 (1.00 to 2.00, n = 3); slow 4.50 | **3.00** | 3.10 | 2.00, met |" in page
    assert "| yes, differs by 1.0e-06 |" in page
    assert "| **0.50** |  | 0.75, **not met** |  |" in page
    assert "2.00, **not met** | **no**, differs by 3.0e-01 |" in page
    assert "(1) why" in page
    assert page.endswith("A remark.\n")


def test_every_benchmark_is_in_the_page_and_in_make_bench() -> None:
    folder = Path(table.__file__).parent
    shared = {
        "all",
        "measure",
        "gpu_check",
        "ablate",
        "ablation_table",
        "memorisation",
        "attacker",
        "exposure",
        "company",
    }
    shared |= {"grouped_attention", "deberta_attention", "company", "blends", "collapse", "intervals", "harm"}
    assert {path.stem for path in folder.glob("*.py")} - shared == set(table.TITLES)
