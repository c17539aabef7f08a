"""The predictor of prediction: every case once, whatever the parts, the batches and the memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from abstractor.base.errors import place_of
from abstractor.base.messages.predicting import ScoringError
from abstractor.base.messages.predictions import PredictionsError
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.machine.compute import Compute
from abstractor.models.shared.batching import cost, padded
from abstractor.predicting.predictor import Part, Predictor, Shape

CODEBOOK = Codebook(
    "invented", "one case", {"report": "a report"}, (Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),)
)
CPU = Compute(torch.device("cpu"), torch.float32, "a test")
TOKENS = [9, 3, 12, 5, 5, 8, 1, 30, 2, 7]
CASES = pd.DataFrame({"report": TOKENS}, index=pd.Index([f"c{n}" for n in range(10)], name="uid"))


def of_memory(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


class Model:
    """Its probability of a case is a hundredth of the case's tokens; its memory holds `room` tokens with padding."""

    def __init__(self, room: float = np.inf, fail: Callable[[], None] | None = None) -> None:
        self.room, self.fail = room, fail or of_memory(torch.OutOfMemoryError("no memory"))
        self.tried: list[tuple[int, int]] = []

    def read(self, cases: pd.DataFrame) -> Part:
        tokens = cases["report"].tolist()

        def score(group: list[int], length: int) -> np.ndarray:
            assert {padded(tokens[n]) for n in group} == {length}
            self.tried.append((len(group), length))
            if len(group) * cost(length) > self.room:
                self.fail()
            return np.array([[tokens[n] / 100] for n in group])

        return Part([Shape(padded(count), 1) for count in tokens], score)


def predicted(model: Model, budget: int, size: int = 10) -> tuple[pd.DataFrame, Predictor]:
    predictor = Predictor(model.read, CODEBOOK, CPU, budget)
    parts = [CASES[start : start + size] for start in range(0, len(CASES), size)]
    return pd.concat(predictor.predict(parts, len(CASES), "m/0")), predictor


@pytest.mark.parametrize("size", [1, 3, 10])
@pytest.mark.parametrize("budget", [1, 25, 1000])
def test_every_case_gets_its_own_probability(budget: int, size: int) -> None:
    table, predictor = predicted(Model(), budget, size)

    assert list(table.index) == list(CASES.index)
    assert table["Note"].to_numpy() == pytest.approx(np.array(TOKENS) / 100)
    assert predictor.halved == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
        ),
    ],
)
def test_a_batch_that_does_not_fit_is_halved_and_no_case_is_lost(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(room=40, fail=of_memory(error))
    table, predictor = predicted(model, 100)

    assert table["Note"].to_numpy() == pytest.approx(np.array(TOKENS) / 100)
    # Three rows of 32 tokens fail, and two; one fits, and from then on no batch is dearer than that.
    assert model.tried[:4] == [(3, 32), (2, 32), (1, 32), (2, 16)]
    assert predictor.halved == 2
    assert "m/0: 2 batches did not fit in memory and were halved" in capsys.readouterr().out


def test_later_parts_start_with_what_fitted() -> None:
    model = Model(room=40)
    _, predictor = predicted(model, 1000, size=5)
    first = predictor.halved
    assert first
    model.tried.clear()
    list(predictor.predict([CASES], len(CASES), "m/0"))

    assert predictor.halved == first
    assert all(count * cost(length) <= 40 for count, length in model.tried)


@pytest.mark.parametrize("budget", [1, 40, 1000])
def test_a_case_has_the_same_shape_of_batch_in_any_company(budget: int) -> None:
    def batches(cases: pd.DataFrame) -> dict[int, set[int]]:
        model = Model()
        list(Predictor(model.read, CODEBOOK, CPU, budget).predict([cases], len(cases), "m/0"))
        found: dict[int, set[int]] = {}
        for count, length in model.tried:
            found.setdefault(length, set()).add(count)
        return found

    every = batches(CASES)
    assert all(len(counts) == 1 for counts in every.values())
    for number in range(len(CASES)):
        alone = batches(CASES[number : number + 1])
        assert alone.items() <= every.items()


def test_a_single_case_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ScoringError, match=r"1 rows of 32 tokens does not fit in memory; lower max_tokens"):
        predicted(Model(room=20), 1000)


def test_other_failures_are_not_taken_for_a_lack_of_memory_and_name_the_cases() -> None:
    with pytest.raises(RuntimeError, match="shape") as raised:
        predicted(Model(room=20, fail=of_memory(RuntimeError("shape mismatch"))), 1000, size=5)
    # Of 9 and 12 tokens, the longest of the first five.
    assert place_of(raised.value) == "cases 1, 3, in the order of their uids"


def test_cases_that_cannot_be_read_are_named_by_their_places() -> None:
    def read(cases: pd.DataFrame) -> Part:
        if "c7" in cases.index:
            raise KeyError("c7")
        return Model().read(cases)

    parts = [CASES[:4], CASES[4:]]
    with pytest.raises(KeyError) as raised:
        list(Predictor(read, CODEBOOK, CPU, 1000).predict(parts, len(CASES), "m/0"))
    assert place_of(raised.value) == "cases 5 to 10, in the order of their uids"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_told_at_the_first_batch(value: float) -> None:
    model = Model()

    def read(cases: pd.DataFrame) -> Part:
        part = model.read(cases)
        return Part(part.shapes, lambda group, length: part.score(group, length) + value)

    half = Compute(torch.device("cpu"), torch.bfloat16, "a test")
    with pytest.raises(ScoringError, match=r"no number, in bfloat16; in float16 set infer\.dtype"):
        list(Predictor(read, CODEBOOK, half, 40).predict([CASES], len(CASES), "m/0"))
    assert model.tried == [(1, 32)], "the longest case comes first"


def test_a_case_that_was_never_scored_is_refused() -> None:
    def read(cases: pd.DataFrame) -> Part:
        return Part([Shape(8, 1)] * (len(cases) - 1), lambda group, _: np.full((len(group), 1), 0.5))

    with pytest.raises(PredictionsError):
        list(Predictor(read, CODEBOOK, CPU, 40).predict([CASES], len(CASES), "m/0"))


def test_a_stopped_run_scores_only_what_it_had_not_finished(tmp_path: Path) -> None:
    whole, _ = predicted(Model(), 1000, 4)
    parts, model = [CASES[:4], CASES[4:8], CASES[8:]], Model()

    def run() -> Iterator[pd.DataFrame]:
        return Predictor(model.read, CODEBOOK, CPU, 1000).predict(parts, len(CASES), "m/0", tmp_path)

    stopped = run()
    assert [len(next(stopped)) for _ in range(2)] == [4, 4]
    stopped.close()
    model.tried.clear()
    resumed = list(run())
    assert [len(table) for table in resumed] == [4, 4, 2]
    pd.testing.assert_frame_equal(pd.concat(resumed), whole, check_exact=True)
    assert {length for _, length in model.tried} == {8}  # the last part's, of 2 and 7 tokens
    assert len(model.tried) == 1


@pytest.mark.parametrize("left", [b"", b"PAR1 and no more"])
def test_a_kept_part_that_a_power_cut_emptied_is_scored_again(tmp_path: Path, left: bytes) -> None:
    whole, _ = predicted(Model(), 1000)
    (tmp_path / "0.parquet").write_bytes(left)
    again = pd.concat(Predictor(Model().read, CODEBOOK, CPU, 1000).predict([CASES], len(CASES), "m/0", tmp_path))
    pd.testing.assert_frame_equal(again, whole, check_exact=True)
