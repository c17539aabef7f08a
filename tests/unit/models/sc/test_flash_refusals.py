"""Where the kernels cannot run, training is refused in words before it begins; the library is not needed for that."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from abstractor.base.errors import RunError
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.sc import flash
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels
from abstractor.training.sc.settings import ScModel
from abstractor.training.sc.train import train

CUDA = torch.device("cuda", 0)
LORA = {"rank": 2, "alpha": 4, "dropout": 0.0, "targets": ["query_proj"]}


def card(monkeypatch: pytest.MonkeyPatch, name: str, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)


def test_a_cpu_is_refused_before_training(
    project: Path, settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    params = ScModel(**settings | {"attention": "flash"})
    compute = Compute(torch.device("cpu"), torch.float32, "test")
    with pytest.raises(RunError, match=r"expected a CUDA device .* found device: cpu; set attention: auto"):
        examples = Examples.of_coded(cases, of_labels(codebook, labels))
        train(params, 0.0, "concatenated", codebook, examples, compute, (7, "m", 0))


def test_an_older_card_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    card(monkeypatch, "Tesla T4", (7, 5))
    with pytest.raises(RunError, match=r"8\.0 or more, found Tesla T4 of 7\.5; set attention: auto"):
        flash.check(CUDA)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    card(monkeypatch, "A10", (8, 6))
    monkeypatch.setattr(flash, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="needs the package disentangled-flash: run make setup LOCK=gpu"):
        flash.check(CUDA)
    monkeypatch.setattr(flash, "find_spec", lambda name: object())
    flash.check(CUDA)


def test_an_adapter_under_the_kernels_is_refused(settings: dict[str, Any]) -> None:
    assert ScModel(**settings).attention == "auto"
    with pytest.raises(ValidationError, match="reads the weights under an adapter, not the adapter; set lora: null"):
        ScModel(**settings | {"attention": "flash", "lora": LORA})
