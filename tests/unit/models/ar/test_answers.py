"""Packed questions against the plain forward pass of transformers, one prompt at a time."""

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from abstractor.base.messages.language_models import ModelError
from abstractor.data.cases.codebook import Codebook
from abstractor.models.ar import answers as ar_model
from abstractor.models.ar.answers import NEVER, answer_logits, check_prompts, pick, probabilities, question_logits
from abstractor.models.ar.grouped_attention import GROUPED, Grouping
from abstractor.models.ar.loading import add_lora
from abstractor.models.ar.packing import Batch, pack, packed_mask, separate
from abstractor.models.shared.lora import Lora
from abstractor.training.ar.losses import cross_entropy

PREFIXES = [list(range(20, 50)), list(range(100, 117)), list(range(300, 305))]
SUFFIXES = [[7, 8, 9], [60, 61], [200, 201, 202, 203, 204, 205, 206], [5]]
ANSWERS = [[1, 2], [1, 2], [3, 4, 5, 6], [1, 2]]
PLACES = torch.tensor([[0, 1, 3, -1], [1, 1, 2, 0], [0, -1, 1, 1]])
TARGETS = one_hot(PLACES.clamp(min=0), 4).float().masked_fill((PLACES < 0)[..., None], nan)
KINDS = ["llama", "qwen2", "gemma2"]
ATTENTIONS = ["sdpa", "eager"]


def one_at_a_time(model: Any, prefixes: list[list[int]] = PREFIXES) -> Tensor:
    """(B, Q, V): no packing, no padding, no mask, no gathering."""
    rows = [[model(torch.tensor([prefix + suffix])).logits[0, -1] for suffix in SUFFIXES] for prefix in prefixes]
    return torch.stack([torch.stack(row) for row in rows])


@pytest.mark.parametrize("layout", [pack, separate])
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_logits_equal_those_of_single_prompts(make_model: Any, kind: str, attention: str, layout: Any) -> None:
    model = make_model(kind, attention)
    with torch.no_grad():
        logits, expected = question_logits(model, layout(PREFIXES, SUFFIXES, multiple=8)), one_at_a_time(model)

    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_lora_gradients_equal_those_of_single_prompts(
    make_model: Any, kind: str, attention: str, checkpointing: bool
) -> None:
    targets = ["q_proj", "k_proj", "v_proj", "down_proj", "lm_head"]
    model = add_lora(make_model(kind, attention), Lora(rank=4, alpha=8, dropout=0.0, targets=targets), seed=1).train()
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    adapter = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    for weight in adapter.values():
        torch.nn.init.normal_(weight, std=0.1)  # a fresh adapter is 0 in one factor, and so is the other's gradient

    def gradients(logits: Tensor) -> dict[str, Tensor]:
        model.zero_grad()
        cross_entropy(pick(logits, ANSWERS).log_softmax(dim=2), TARGETS).mean().backward()
        return {name: weight.grad.clone() for name, weight in adapter.items() if weight.grad is not None}

    packed = gradients(question_logits(model, pack(PREFIXES, SUFFIXES, multiple=8)))
    expected = gradients(one_at_a_time(model))

    assert packed.keys() == expected.keys() == adapter.keys()
    for name, gradient in expected.items():
        assert gradient.norm() > 0, name
        assert (packed[name] - gradient).norm() <= 1e-3 * gradient.norm(), name


def leaky(segments: Tensor, position_ids: Tensor, window: int | None = None) -> Tensor:
    """What a mask that knows no questions would be: they read the ones before them."""
    return packed_mask(segments.clamp(max=1), position_ids, window)


class LeakyGrouping:
    """All questions as one."""

    @staticmethod
    def of(batch: Batch) -> Grouping:
        return Grouping.of(replace(batch, suffix_lengths=(sum(batch.suffix_lengths),)))


def leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ar_model, "packed_mask", leaky)
    monkeypatch.setattr(ar_model, "Grouping", LeakyGrouping)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_leaking_mask_or_running_positions_would_show(
    make_model: Any, kind: str, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = make_model(kind, attention), pack(PREFIXES, SUFFIXES)
    running = Batch(
        **{**vars(batch), "position_ids": torch.arange(batch.input_ids.shape[1]).expand_as(batch.input_ids)}
    )
    with torch.no_grad():
        expected = question_logits(model, batch)
        moved = (question_logits(model, running) - expected).abs().amax(dim=(0, 2))
        leak(monkeypatch)
        leaked = (question_logits(model, batch) - expected).abs().amax(dim=(0, 2))

    assert (moved[1:] > 1e-2).all()
    assert (leaked[1:] > 1e-2).all()


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_questions_do_not_read_each_other_and_cases_do_not_read_each_other(make_model: Any, attention: str) -> None:
    model = make_model("llama", attention)
    with torch.no_grad():
        before = question_logits(model, pack(PREFIXES, SUFFIXES))
        after = question_logits(
            model, pack([[*PREFIXES[0][:-1], 99], *PREFIXES[1:]], [SUFFIXES[0], [70, 71], *SUFFIXES[2:]])
        )
    changed = (before - after).abs().amax(dim=2) > 1e-4

    assert changed.tolist() == [[True] * 4, [False, True, False, False], [False, True, False, False]]


def test_the_head_runs_at_answer_positions_only(make_model: Any) -> None:
    model, seen = make_model("llama"), []
    model.lm_head.register_forward_hook(lambda module, args, output: seen.append(output.shape[:2]))
    question_logits(model, pack(PREFIXES, SUFFIXES))
    question_logits(model, separate(PREFIXES, SUFFIXES))
    full = model(torch.tensor([PREFIXES[0]])).logits

    assert seen[:2] == [(3, 4), (12, 1)]
    assert full.shape[1] == len(PREFIXES[0]), "the model is as it was"


def test_a_lora_on_the_head_counts(make_model: Any) -> None:
    model = add_lora(make_model("llama"), Lora(rank=4, alpha=8, dropout=0.0, targets=["lm_head"]), seed=1)
    batch = pack(PREFIXES, SUFFIXES)
    before = question_logits(model, batch)
    torch.nn.init.normal_(model.base_model.model.lm_head.lora_B["default"].weight)

    assert (question_logits(model, batch) - before).abs().max() > 1e-2


def test_a_model_that_gives_no_numbers_is_refused_in_its_dtype(make_model: Any) -> None:
    model = make_model("gemma2", "eager").bfloat16()
    model.model.layers[1].mlp.down_proj.weight.data.fill_(torch.inf)  # as an overflow leaves it
    with pytest.raises(ModelError, match=r"gemma2 gives no numbers in bfloat16; set train\.dtype or infer\.dtype"):
        check_prompts(model, PREFIXES[0], SUFFIXES, 100, packed=True)


def test_layers_that_all_slide_share_one_mask(make_model: Any) -> None:
    model = make_model("qwen2")
    model.config.layer_types = ["sliding_attention"] * 3
    with torch.no_grad():
        torch.testing.assert_close(
            question_logits(model, pack(PREFIXES, SUFFIXES)), one_at_a_time(model), atol=1e-4, rtol=0
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_attn_implementation_internal": "flash_attention_2"}, "takes no mask"),
        ({"model_type": "other"}, "mixes full attention with a window of 12 tokens, and a prompt has 37"),
        (
            {"layer_types": ["conv", "full_attention", "full_attention"]},
            r"layers that no mask can part \(conv, full_attention\)",
        ),
    ],
)
def test_architectures_that_would_be_wrong_are_refused(make_model: Any, change: dict[str, Any], message: str) -> None:
    model = make_model("qwen2")
    for name, value in change.items():
        object.__setattr__(model.config, name, value)
    with pytest.raises(ModelError, match=message):
        question_logits(model, pack(PREFIXES, SUFFIXES))


def test_sdpa_becomes_grouped_where_that_is_exact_and_eager_stays(make_model: Any) -> None:
    models = {(kind, name): make_model(kind, name) for kind in ("llama", "qwen2") for name in ATTENTIONS}
    for model in models.values():
        question_logits(model, pack(PREFIXES, SUFFIXES))
    chosen = {key: model.config._attn_implementation for key, model in models.items()}

    assert chosen == {
        ("llama", "sdpa"): GROUPED,
        ("llama", "eager"): "eager",
        ("qwen2", "sdpa"): "sdpa",  # its window is shorter than the prompts
        ("qwen2", "eager"): "eager",
    }


def test_a_window_that_no_prompt_fills_is_no_obstacle(make_model: Any) -> None:
    model = make_model("qwen2")
    object.__setattr__(model.config, "model_type", "other")
    short = [[20, 21], [30]]
    with torch.no_grad():
        torch.testing.assert_close(
            question_logits(model, pack(short, SUFFIXES)), one_at_a_time(model, short), atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_check_of_a_model_passes_and_keeps_its_mode(make_model: Any, kind: str, attention: str) -> None:
    model = make_model(kind, attention).train()
    check_prompts(model, PREFIXES[0], SUFFIXES, longest=500, packed=True)

    assert model.training


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_check_of_a_model_finds_a_leak(make_model: Any, attention: str, monkeypatch: pytest.MonkeyPatch) -> None:
    leak(monkeypatch)
    with pytest.raises(ModelError, match="other logits than single ones"):
        check_prompts(make_model("llama", attention), PREFIXES[0], SUFFIXES, longest=500, packed=True)


def test_prompts_beyond_the_last_position_are_refused(make_model: Any) -> None:
    with pytest.raises(ModelError, match="has 513 tokens, the model 512 positions"):
        check_prompts(make_model("llama"), PREFIXES[0], SUFFIXES, longest=513, packed=False)


def test_pick_takes_the_answers_and_marks_what_is_missing() -> None:
    picked = pick(torch.arange(12.0).view(1, 2, 6), [[4, 1], [0, 2, 5]])

    assert picked.tolist() == [[[4.0, 1.0, pytest.approx(NEVER)], [6.0, 8.0, 11.0]]]


def test_probabilities_stand_in_the_codebooks_columns(codebook: Codebook) -> None:
    shares = torch.tensor([[[0.8, 0.2, 0.0], [0.5, 0.3, 0.2], [0.1, 0.9, 0.0]]])
    found = probabilities(shares.log().clamp(min=NEVER), codebook)

    assert codebook.columns == ("Note", "Place=3", "Place=1", "Place=7", "Mood")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.2, 0.5, 0.3, 0.2, 0.9]], atol=1e-6)


def test_answer_logits_are_the_picked_question_logits(make_model: Any) -> None:
    model, batch = make_model("gemma2"), pack(PREFIXES, SUFFIXES)
    with torch.no_grad():
        torch.testing.assert_close(answer_logits(model, batch, ANSWERS), pick(question_logits(model, batch), ANSWERS))
