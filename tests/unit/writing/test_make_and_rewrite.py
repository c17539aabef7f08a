"""From cases to made and rewritten ones, with answers written out: every reason to drop, and what is kept."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import read_prepared_cases, write_cases
from abstractor.machine.compute import Compute
from abstractor.training.rounds.synthetic import write
from abstractor.writing.engine.settings import MakeCases, Rewrite, Writer
from abstractor.writing.engine.tokens import Written
from abstractor.writing.engine.writer import load_writer
from abstractor.writing.make import make_cases, possible_sources
from abstractor.writing.rewrite import rewrite_cases
from abstractor.writing.sources import Sources, share

MAKING = MakeCases(cases=1, least_words=3, most_copied=0.5)
REWRITING = Rewrite(least_share=0.5, most_copied=0.5)
CASES = pd.DataFrame(
    {
        "Officer": ["He was seen at home today.", "She was on leave.", "They lived alone.", ""],
        "Coroner": ["No note.", "In care since the spring of last year.", "No care.", "In care."],
    },
    index=pd.Index(["a", "b", "c", "d"], name="uid"),
)
GOOD = " A person at work.\nCoroner report: Nothing was known."


class Scripted:
    """Gives written answers and keeps the prompts."""

    def __init__(self, *answers: str) -> None:
        """An answer that ends in "~" did not end."""
        self.answers, self.prompts = answers, []

    def __call__(self, prompts: Sequence[str], marker: str | None) -> list[Written]:
        self.prompts = list(prompts)
        return [Written(answer.rstrip("~"), not answer.endswith("~")) for answer in self.answers]


def test_a_made_case_has_its_reports_its_sources_and_the_number_of_its_triple(codebook: Codebook) -> None:
    plan, write = [Sources("a", "b", "c")] * 2, Scripted("x", GOOD)
    made = make_cases(codebook, CASES, plan, write, "examples", MAKING, "made_w_0")

    assert made.cases.to_dict("index") == {
        "made_w_0_000001": {
            "Officer": "A person at work.",
            "Coroner": "Nothing was known.",
            "source_1": "a",
            "source_2": "b",
            "source_3": "c",
        }
    }
    assert write.prompts[0].index("seen at home") < write.prompts[0].index("on leave") < write.prompts[0].index("alone")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (GOOD, None),
        (GOOD + "~", "truncated"),
        (" A person at work.", "malformed"),
        (GOOD + "\ufffd", "malformed"),
        (" Seen today.\nCoroner report: Nothing was known.", "too_short"),
        (" He was seen at home.\nCoroner report: Nothing was known.", "near_copy"),
        (" Then in care since the spring of last year.\nCoroner report: Nothing was known.", "near_copy"),
        (" He was seen at home lately, once.\nCoroner report: In care since the spring of 2000.", None),
    ],
)
def test_a_made_case_is_dropped_for_one_reason(codebook: Codebook, answer: str, reason: str | None) -> None:
    made = make_cases(codebook, CASES, [Sources("a", "b", "c")], Scripted(answer), "examples", MAKING, "made_w_0")

    assert made.counts["kept"] == len(made.cases) == (reason is None)
    assert {name: count for name, count in made.counts["dropped"].items() if count} == ({reason: 1} if reason else {})


def test_a_case_with_a_gap_is_no_source(codebook: Codebook) -> None:
    assert possible_sources(codebook, CASES) == ["a", "b", "c"]


@pytest.mark.parametrize("kept", [0, 2])
def test_made_cases_are_stored_as_text_even_where_none_was_kept(codebook: Codebook, tmp_path: Path, kept: int) -> None:
    answers = Scripted(*[GOOD] * kept, *["x"] * (2 - kept))
    made = make_cases(codebook, CASES, [Sources("a", "b", "c")] * 2, answers, "examples", MAKING, "made_w_0")
    write(tmp_path / "made.parquet", codebook, made.cases)
    found = pq.read_table(tmp_path / "made.parquet")

    assert found.column_names == ["uid", "Officer", "Coroner", "source_1", "source_2", "source_3"]
    assert found["uid"].to_pylist() == [f"made_w_0_00000{number}" for number in range(kept)]
    assert {str(kind) for kind in found.schema.types} <= {"string", "large_string"}


ANSWERS = (" In the house he was met today.", " On leave she was.", " Alone is how they lived.")
COMMENTS = (" A note: none.", " Being treated since last spring or so.", " Untreated.", " Being treated.")


def rewritten(codebook: Codebook, *answers: str) -> tuple[pd.DataFrame, dict[str, int]]:
    found = rewrite_cases(codebook, CASES, Scripted(*answers), "examples", REWRITING)
    assert found.counts["kept"] == len(found.cases)
    return found.cases, {name: count for name, count in found.counts["dropped"].items() if count}


def test_a_case_is_rewritten_report_by_report_and_an_empty_report_stays_empty(codebook: Codebook) -> None:
    cases, dropped = rewritten(codebook, *ANSWERS, *COMMENTS)

    assert not dropped
    assert list(cases.index) == ["a", "b", "c", "d"]
    assert list(cases["Officer"]) == [text.strip() for text in (*ANSWERS, "")]
    assert list(cases["Coroner"]) == [text.strip() for text in COMMENTS]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (COMMENTS[1] + "~", "truncated"),
        (COMMENTS[1] + "\nRewritten: x", "malformed"),
        (COMMENTS[1] + "\x07", "malformed"),
        (" In treatment then.", "too_short"),
        (" In care since the spring of last winter.", "near_copy"),
    ],
)
def test_a_case_with_a_report_that_fails_is_dropped(codebook: Codebook, answer: str, reason: str) -> None:
    cases, dropped = rewritten(codebook, *ANSWERS, COMMENTS[0], answer, *COMMENTS[2:])

    assert list(cases.index) == ["a", "c", "d"]
    assert dropped == {reason: 1}


def test_a_copy_of_another_case_is_no_copy_of_its_own(codebook: Codebook) -> None:
    _, dropped = rewritten(codebook, *ANSWERS, COMMENTS[0], " He was seen at home today, they said.", *COMMENTS[2:])

    assert not dropped


def test_a_case_that_fails_twice_counts_once(codebook: Codebook) -> None:
    _, dropped = rewritten(codebook, ANSWERS[0] + "~", *ANSWERS[1:], " x", *COMMENTS[1:])

    assert dropped == {"truncated": 1}


def test_no_case_kept_is_a_file_of_no_rows(codebook: Codebook, tmp_path: Path) -> None:
    cases, _ = rewritten(codebook, *["~"] * 7)
    write_cases(tmp_path / "cases.parquet", codebook, cases)

    assert read_prepared_cases(tmp_path / "cases.parquet", codebook).empty


@pytest.mark.parametrize("style", ["examples", "template"])
def test_a_random_model_is_asked_and_every_answer_counted(
    codebook: Codebook, backbone: str, writer: Writer, style: str
) -> None:
    compute = Compute(torch.device("cpu"), torch.float32, "a test")
    write = load_writer(writer.model_copy(update={"style": style}), "tiny", compute, 7)
    plan = share(0, ["a", "b", "c"], ["tiny"], "tiny", 1, seed=1)

    for counts in (
        make_cases(codebook, CASES, plan, write, style, MAKING, "made_tiny_0").counts,
        rewrite_cases(codebook, CASES, write, style, REWRITING).counts,
    ):
        assert counts["kept"] + sum(counts["dropped"].values()) == counts["asked"]
