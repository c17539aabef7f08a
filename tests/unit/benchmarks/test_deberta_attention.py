"""The comparison of DeBERTa's attention tells right kernels from wrong ones."""

import pytest
import torch
from deberta_attention import compare

from abstractor.models.sc import flash

pytest.importorskip("disentangled_flash", reason="needs disentangled-flash (extra `dev` or `gpu`)")


@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
def test_wrong_kernels_are_further_off(wrong: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    enable = flash.enable

    def other(model: torch.nn.Module, backend: str) -> None:
        enable(model, backend)
        if wrong:  # the positions of another distance
            attention = model.get_submodule("encoder.layer.0.attention.self")
            attention.get_submodule("pos_dropout").register_forward_hook(lambda *given: given[-1].roll(1, dims=0))

    monkeypatch.setattr(flash, "enable", other)
    found = compare("cpu", torch.float32, rows=2, tokens=40, rounds=1)

    assert found["eager"]["off"] == found["eager"]["gradients_off"] == 0
    assert (found["flash"]["off"] < 1e-5, found["flash"]["gradients_off"] < 1e-4) == (not wrong, not wrong)
    assert found["flash"]["repeats"] and found["flash"]["seconds"] > 0
