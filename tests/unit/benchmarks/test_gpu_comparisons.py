"""The comparisons of the GPU check can fail: each is shown what it must not let pass."""

from pathlib import Path
from typing import Any

import pytest
import torch
from gpu import classifiers, packing, product, stages, ways
from gpu.steps import Setting

from abstractor.machine.compute import Compute
from abstractor.models.ar.packing import pack

CPU = Setting("cpu", None, ())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder to write to; the machine is prepared by the tests' own process."""
    monkeypatch.chdir(tmp_path)
    compute = Compute(torch.device("cpu"), torch.float32, "test")
    monkeypatch.setattr(product, "prepared", lambda setting, dtype, deterministic=False: compute)


@pytest.mark.parametrize("leak", [False, True])
@pytest.mark.parametrize("name", [packing.LLAMA, packing.GEMMA])
def test_packed_questions_that_read_the_wrong_positions_are_found(
    monkeypatch: pytest.MonkeyPatch, name: str, leak: bool
) -> None:
    def shifted(prefixes: Any, suffixes: Any, multiple: int = 1) -> Any:
        batch = pack(prefixes, suffixes, multiple=multiple)
        batch.position_ids[:] = torch.arange(batch.position_ids.shape[1])
        return batch

    if leak:
        monkeypatch.setattr(packing, "pack", shifted)
    found = packing.packed_is_single(CPU, name, 2, torch.bfloat16, None, 1, True, {})

    assert found.holds is not leak, found.words


@pytest.mark.parametrize("wrong", [False, True])
def test_other_logits_than_those_of_single_prompts_are_found(monkeypatch: pytest.MonkeyPatch, wrong: bool) -> None:
    if wrong:
        plain = ways.alone
        monkeypatch.setattr(ways, "alone", lambda work, learn: plain(work, learn).roll(1, 0))

    assert ways.against_plain(CPU, ways.MODELS[0], "scoring", []).holds is not wrong


def test_files_that_differ_are_named() -> None:
    found = stages._same({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"})
    assert (found.holds, found.words) == (False, "b, c differ")


@pytest.mark.parametrize("lost", [False, True])
def test_weights_that_are_no_numbers_are_found(monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    if lost:
        fit = classifiers.fit

        def spoilt(*arguments: Any) -> Any:
            outcome = fit(*arguments)
            next(outcome.model.parameters()).data.fill_(float("nan"))
            return outcome

        monkeypatch.setattr(classifiers, "fit", spoilt)

    found = classifiers.trains(CPU, classifiers.XLARGE, 4, 1024, False, {"optimizer": "adamw"})
    assert found.holds is not lost, found.words
