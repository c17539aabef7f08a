"""The comparisons of the GPU check can fail: each is shown what it must not let pass."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from gpu import classifiers, packing, product, project, stages, ways
from gpu.steps import Found, Setting

from abstractor.base.yaml_file import read_yaml
from abstractor.machine.compute import Compute
from abstractor.models.ar.packing import pack
from abstractor.models.sc import flash

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


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("compared", [classifiers.equals_eager, classifiers.learns_as_eager])
def test_fused_attention_with_wrong_positions_is_found(
    monkeypatch: pytest.MonkeyPatch, compared: Callable[[Setting], Found], wrong: bool
) -> None:
    pytest.importorskip("disentangled_flash", reason="needs disentangled-flash (extra `dev` or `gpu`)")
    enable = flash.enable

    def by_reference(model: Any, backend: str = "torch") -> None:
        enable(model, backend)
        if wrong:
            attention = model.get_submodule("encoder.layer.0.attention.self")
            attention.get_submodule("pos_dropout").register_forward_hook(lambda *given: given[-1].roll(1, dims=0))

    monkeypatch.setattr(flash, "enable", by_reference)
    found = compared(CPU)
    assert found.holds is not wrong, found.words


@pytest.mark.parametrize(("took", "holds"), [([2.0, 1.0], True), ([1.0, 2.0], False)])
def test_a_fused_attention_that_is_slower_is_found(took: list[float], holds: bool) -> None:
    assert classifiers.faster(took).holds is holds


def test_two_runs_are_only_asked_for_the_same_files_where_that_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "stage", lambda *_: "")
    next(stages.resume(CPU))
    assert read_yaml(Path("params.yaml"))["train"]["deterministic"] is True


def test_a_cap_on_memory_is_tried_in_a_process_that_holds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PyTorch has once taken of a GPU it hands out again, however low the cap."""
    table = pd.DataFrame({"uid": ["a"], "probability": [0.5]})
    monkeypatch.setattr(project, "change", lambda *_, **__: None)
    monkeypatch.setattr(project, "stage", lambda *command: "here")
    monkeypatch.setattr(project, "process", lambda *command: "apart")
    monkeypatch.setattr(project, "ended", lambda running: f"{running}: 2 batches were halved")
    monkeypatch.setattr(pd, "read_parquet", lambda path: table)
    assert stages.halved(CPU) == (True, "apart: 2 batches were halved; probabilities differ by 0.0e+00 at most")


def test_a_stage_in_a_process_of_its_own_is_no_script_of_an_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/probe.py").write_text("import sys\nprint(__name__, sys.argv)\n", encoding="utf-8")
    monkeypatch.setattr(project, "ROOT", tmp_path)
    assert project.ended(project.process("probe", "sc")) == "__main__ ['-c', 'sc']\n"


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
