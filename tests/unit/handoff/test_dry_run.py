"""Dry runs against what PyTorch's profiler sees of a real one, its FLOP counter, and numbers written out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import profile
from transformers import AutoConfig, AutoModel

from abstractor.handoff import costs
from abstractor.handoff.dry_run import DryRun

ROWS, LENGTH = 4, 96


def encoder(kind: str = "bert", device: str = "cpu", checkpointing: bool = False) -> nn.Module:
    sizes = {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 4}
    if kind == "deberta-v2":
        sizes |= {"relative_attention": True, "position_buckets": 16, "share_att_key": True, "type_vocab_size": 0}
        sizes |= {"pos_att_type": ["c2p", "p2c"]}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_attention_heads": 4}
    with torch.device(device):
        model: Any = AutoModel.from_config(AutoConfig.for_model(kind, **sizes, **still), attn_implementation="eager")
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()  # type: ignore[no-any-return]


def learn(model: nn.Module) -> None:
    ids = torch.ones(ROWS, LENGTH, dtype=torch.long)
    torch.autograd.backward(model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.mean())


def dry(model: nn.Module, run: DryRun | None = None) -> DryRun:
    run = run or DryRun()
    run.adopt(model)
    with run.here(), run.fake:
        learn(model)
    return run


def really(step: Callable[[], None]) -> int:
    """The most bytes that a step takes beside what there was before."""
    with profile(profile_memory=True) as profiled:
        step()
    results: Any = profiled.profiler.kineto_results  # type: ignore[union-attr]
    live = peak = 0
    for event in sorted(results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return peak


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", ["bert", "deberta-v2"])
def test_a_steps_memory_is_what_a_real_one_takes(kind: str, checkpointing: bool) -> None:
    model = encoder(kind, checkpointing=checkpointing)
    weights = sum(weight.numel() * 4 for weight in model.parameters())
    expected = really(lambda: learn(model))

    found = dry(encoder(kind, "meta", checkpointing)).peak - weights
    assert found == pytest.approx(expected, rel=0.1)


def test_recomputing_activations_takes_less_memory_and_a_forward_pass_more() -> None:
    kept, recomputed = (dry(encoder(device="meta", checkpointing=way)) for way in (False, True))

    assert recomputed.peak < 0.7 * kept.peak
    assert recomputed.flops == pytest.approx(4 / 3 * kept.flops, rel=0.02)


def test_the_flops_of_a_step_are_those_that_are_counted_from_the_config() -> None:
    model = encoder("deberta-v2", "meta")
    shape = costs.Shape.of(model.config, head=False)
    expected = costs.full_step_flops(shape, ROWS * LENGTH, ROWS * costs.full_area(LENGTH))

    assert dry(model).flops == pytest.approx(expected, rel=0.02)


def test_what_is_let_go_of_no_longer_counts() -> None:
    run = DryRun()
    with run.here(), run.fake:
        first = torch.zeros(1024)
        del first
        second = torch.zeros(512)
        assert run.live == 512 * 4
        view = second[:10]
        assert run.live == 512 * 4, "a view has no memory of its own"
        del second, view
        assert (run.live, run.peak) == (0, 1024 * 4)


def test_autocast_keeps_copies_of_the_weights_as_long_as_it_lasts() -> None:
    run, model = DryRun(), nn.Sequential(*(nn.Linear(512, 512, bias=False, device="meta") for _ in range(4)))
    run.adopt(model)
    weights = run.live
    with run.here(), run.fake, torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            model(torch.zeros(1, 512))
            assert run.live - weights >= weights / 2
        assert run.live == weights


def test_operators_keep_what_cudas_do() -> None:
    run, states = DryRun(), torch.zeros(8, 64, dtype=torch.bfloat16, requires_grad=True)
    with run.here(), run.fake, torch.autocast("cpu", torch.bfloat16):
        assert nn.functional.softmax(states, dim=-1).dtype == torch.float32
        assert nn.functional.layer_norm(states, (64,)).dtype == torch.float32
        dropped: Any = nn.functional.dropout(states, 0.1)
        assert dropped.grad_fn._saved_result1.dtype == torch.bool
    assert nn.functional.softmax(states, dim=-1).dtype == torch.bfloat16, "only there"


def test_a_kernel_takes_as_long_as_its_slowest_part() -> None:
    run = DryRun()
    run.kernels.update({(8_000, 10): 2, (10, 600): 1, (1, 1): 3})
    # 2 that compute for 8 s, 1 that reads for 6 s, 3 that take the second that every kernel takes.
    assert run.seconds(rate=1000, bandwidth=100, launch=1) == 2 * 8 + 6 + 3
