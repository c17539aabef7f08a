import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from abstractor.base.errors import RunError
from abstractor.base.members import check_folds
from abstractor.machine.compute import (
    ALLOCATOR,
    Compute,
    Inference,
    Learning,
    Machine,
    autocast,
    choose,
    go_offline,
    prepare_machine,
)
from abstractor.machine.seeds import derive_seed
from abstractor.runs.card import write_card


def machine(**change: Any) -> Machine:
    return Machine(**{"device": "auto", "dtype": "auto", "threads": 1} | change)


def test_seeds_differ_by_purpose_and_repeat() -> None:
    seeds = {derive_seed(7, "m", fold, purpose) for fold in (0, 1) for purpose in ("order", "initialisation")}
    assert len(seeds) == 4
    assert derive_seed(7, "m", 0, "order") in seeds
    assert derive_seed(8, "m", 0, "order") not in seeds


@pytest.mark.parametrize("folds", [[1, 2], [0, 2], [1, 0], [0, 0]])
def test_folds_that_do_not_count_from_zero_are_refused(folds: list[int]) -> None:
    with pytest.raises(RunError, match=r"expected \[0, 1"):
        check_folds(folds)


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_computes_in_what_it_multiplies_natively_and_says_why(
    monkeypatch: pytest.MonkeyPatch, native: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    compute = choose(machine())
    assert (compute.device.type, compute.dtype) == ("cpu", dtype)
    assert "no CUDA device found" in compute.reason


@pytest.mark.parametrize(
    ("capability", "asked", "dtype"),
    [((7, 5), "auto", "float16"), ((8, 9), "auto", "bfloat16"), ((7, 5), "float32", "float32")],
)
def test_a_gpu_computes_in_the_half_precision_it_has(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], asked: str, dtype: str
) -> None:
    _pretend_gpu(monkeypatch, capability)
    assert choose(machine(dtype=asked)).dtype == getattr(torch, dtype)


@pytest.mark.parametrize(
    ("gpu", "change", "message"),
    [
        (False, {"device": "cuda"}, "finds no CUDA device"),
        (False, {"dtype": "float16"}, "no fast arithmetic on a CPU"),
        (True, {"dtype": "bfloat16"}, "only emulates"),
    ],
)
def test_what_the_machine_cannot_do_is_refused(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, change: dict[str, Any], message: str
) -> None:
    if gpu:
        _pretend_gpu(monkeypatch, (7, 5))
    else:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RunError, match=message):
        choose(machine(**change))


@pytest.mark.parametrize(
    ("build", "devices", "message"),
    [
        (
            "13.0",
            ["nvidiactl", "nvidia3"],
            r"driver 535\.104\.05, which is too old for PyTorch's CUDA 13\.0 or does not",
        ),
        ("13.0", ["nvidiactl"], "no GPU is given to this process"),
        (None, ["nvidia0"], "PyTorch is a build for CPUs"),
    ],
)
def test_a_gpu_that_stays_unused_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    build: str | None,
    devices: list[str],
    message: str,
) -> None:
    """PyTorch only says that CUDA is not available, and the run would be slow in silence."""
    _pretend_driver(monkeypatch, tmp_path, devices)
    monkeypatch.setattr(torch.version, "cuda", build)
    assert choose(machine()).device.type == "cpu"
    assert re.search(f"^warning: the GPU stays unused: .*{message}", capsys.readouterr().err)
    with pytest.raises(RunError, match=f"device: cuda, but PyTorch finds no CUDA device; .*{message}"):
        choose(machine(device="cuda"))


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_gpu_that_the_user_hides_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, hidden: str
) -> None:
    _pretend_driver(monkeypatch, tmp_path, ["nvidia0"])
    choose(machine(device="cpu"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    choose(machine())
    assert capsys.readouterr().err == ""


def inference(**change: Any) -> Inference:
    return Inference(
        **{"device": "auto", "dtype": "float32", "threads": 1, "batch_tokens": 16, "chunk_cases": 1} | change
    )


@pytest.mark.parametrize(("asked", "share"), [(4.0, 0.25), (99.0, 1.0)])
def test_a_cap_on_gpu_memory_is_a_share_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: float, share: float
) -> None:
    _pretend_gpu(monkeypatch, (7, 5))
    caps: list[float] = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=16e9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda part, _: caps.append(part))
    prepare_machine(inference(memory_gb=asked))

    assert caps == [share]
    assert f"at most {asked:g} of 16.0 GB of GPU memory" in capsys.readouterr().out


def test_a_cap_on_gpu_memory_says_that_a_cpu_has_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    prepare_machine(inference(memory_gb=4.0))
    capped = capsys.readouterr().out
    prepare_machine(inference(memory_gb=None))

    assert "memory_gb has no effect on a CPU" in capped
    assert "memory_gb" not in capsys.readouterr().out


@pytest.fixture
def _as_before() -> Iterator[None]:
    enabled, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(enabled, warn_only=warn)


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize(
    ("gpu", "learning", "asked", "expected"),
    [
        (False, True, False, (True, True)),
        (False, True, True, (True, True)),
        (False, False, False, (True, True)),
        (True, True, False, (False, False)),
        (True, True, True, (True, False)),
        (True, False, False, (True, True)),
    ],
)
def test_sums_have_a_fixed_order_but_where_a_gpu_trains_unasked(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, learning: bool, asked: bool, expected: tuple[bool, bool]
) -> None:
    """Without warnings alone where it is asked for: with them, attention's backward pass would have no order."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if gpu:
        _pretend_gpu(monkeypatch, (8, 9))
    given: dict[str, Any] = {"device": "auto", "dtype": "float32", "threads": 1}
    prepare_machine(Learning(**given, deterministic=asked) if learning else inference(memory_gb=None))
    found = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    assert found == expected


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("gpus", [1, 2])
def test_of_several_gpus_one_is_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gpus: int
) -> None:
    _pretend_gpu(monkeypatch, (8, 9), gpus)
    compute = prepare_machine(inference(memory_gb=None))
    assert compute.device == torch.device("cuda", 0)
    assert ("one of 2 GPUs is used" in capsys.readouterr().out) == (gpus == 2)


@pytest.mark.parametrize("name", [None, *ALLOCATOR])
def test_gpu_memory_grows_in_place_unless_the_environment_has_a_wish(
    monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    own = {} if name is None else {name: "backend:native"}
    monkeypatch.setattr(os, "environ", dict(own))
    go_offline()
    found = {each: os.environ[each] for each in ALLOCATOR if each in os.environ}
    assert found == (own or {"PYTORCH_ALLOC_CONF": "expandable_segments:True"})


@pytest.mark.parametrize("keep", [True, False])
def test_autocast_keeps_copies_of_weights_or_does_not(keep: bool) -> None:
    weight, row = torch.ones(64, 64, requires_grad=True), torch.ones(1, 64, requires_grad=True)
    saved: list[torch.Tensor] = []

    def save(tensor: torch.Tensor) -> torch.Tensor:
        saved.extend([tensor] if tensor.shape == weight.shape else [])
        return tensor

    bfloat16 = Compute(torch.device("cpu"), torch.bfloat16, "a test")
    with autocast(bfloat16, keep), torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        kept = [torch.nn.functional.linear(row, weight) for _ in range(2)]
    assert len(saved) == len(kept) == 2
    assert {tensor.dtype for tensor in saved} == {torch.bfloat16}
    assert (saved[0].data_ptr() == saved[1].data_ptr()) == keep


def test_a_card_names_what_made_a_result(tmp_path: Path) -> None:
    write_card(tmp_path / "card.json", None, 1.26, fold=1)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["fold"] == 1
    assert card["seconds"] == 1.3
    assert card["versions"]["torch"].startswith("2.")


def _pretend_driver(monkeypatch: pytest.MonkeyPatch, folder: Path, devices: list[str]) -> None:
    """NVIDIA's driver of 2023 and its device files, beside a PyTorch that finds no device."""
    line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    (folder / "version").write_text(line, encoding="utf-8")
    for name in devices:
        (folder / name).touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("abstractor.machine.compute._DRIVER", folder / "version")
    monkeypatch.setattr("abstractor.machine.compute._DEVICES", folder)


def _pretend_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], gpus: int = 1) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
