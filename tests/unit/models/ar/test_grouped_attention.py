"""Grouped attention against the attention of each prompt alone, and against transformers' own SDPA."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from abstractor.models.ar import grouped_attention as ar_attention
from abstractor.models.ar.answers import question_logits
from abstractor.models.ar.grouped_attention import (
    EXACT_FOR,
    GROUPED,
    Grouping,
    Merged,
    attention,
    is_exact,
    joined,
    prefix_mask,
)
from abstractor.models.ar.packing import Batch, pack, separate

HEADS, KEY_HEADS, NUMBERS, SCALING = 6, 2, 8, 0.3
PREFIXES = {"ragged": [list(range(9)), list(range(4)), [3]], "even": [list(range(7)), list(range(7))]}
SUFFIXES = [[1, 2, 3], [4], [5, 6, 7, 8, 9], [10, 11]]
WAYS = {"merged": Merged.apply, "joined": joined}


class Layer(torch.nn.Module):
    """What SDPA asks of a layer."""

    num_key_value_groups = HEADS // KEY_HEADS


def states(batch: Batch, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Random queries, keys and values: (R, H or K, L, D)."""
    torch.manual_seed(0)
    rows, length = batch.input_ids.shape
    return [
        (2 * torch.randn(rows, length, heads, NUMBERS)).to(dtype).transpose(1, 2).requires_grad_()
        for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    ]


def grouped(batch: Batch, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    grouping = Grouping.of(batch)
    mask = prefix_mask(batch, grouping, value.dtype)
    output: Tensor = attention(Layer(), query, key, value, mask, grouping=grouping, scaling=SCALING)[0]
    return output.transpose(1, 2)


def alone(batch: Batch, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Every prompt cut out of its row: causal attention over its prefix and its suffix; 0 for padding."""
    key, value = (part.repeat_interleave(HEADS // KEY_HEADS, dim=1) for part in (key, value))
    output = torch.zeros_like(query)
    for row, segments in enumerate(batch.segments):
        for question in range(len(SUFFIXES) + 1):
            seen = torch.isin(segments, torch.tensor([0, question])).nonzero().flatten()
            own = segments[seen] == question
            prompt = [part[row : row + 1, :, seen] for part in (query, key, value)]
            found = scaled_dot_product_attention(*prompt, is_causal=True, scale=SCALING)[0]
            output = output.index_put(
                (torch.tensor(row), torch.arange(HEADS)[:, None], seen[own]), found[:, own], accumulate=True
            )
    return output


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes `attention` use the code of a CPU or that of other devices."""
    monkeypatch.setattr(ar_attention, "Merged", type("Chosen", (), {"apply": staticmethod(WAYS[request.param])}))
    return str(request.param)


@pytest.mark.parametrize("kernel", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION], ids=["math", "flash"])
@pytest.mark.parametrize("multiple", [1, 8])
@pytest.mark.parametrize("lengths", list(PREFIXES))
def test_output_and_gradients_equal_those_of_prompts_alone(
    way: str, lengths: str, multiple: int, kernel: SDPBackend
) -> None:
    batch = pack(PREFIXES[lengths], SUFFIXES, multiple=multiple)
    real = (batch.segments >= 0)[:, None, :, None]
    found, expected = states(batch), states(batch)
    with sdpa_kernel(kernel):
        outputs = [(make(batch, *parts) * real) for make, parts in ((grouped, found), (alone, expected))]
        weights = torch.randn(outputs[0].shape)
        for output in outputs:
            (output * weights).sum().backward()

    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=0)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.grad is not None and theirs.grad is not None
        assert theirs.grad.norm() > 0
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-5)


def test_heads_have_keys_of_their_own_but_on_a_cpu(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A T4 has no fast kernel for heads that share keys; a CPU has, and copies would cost it time."""
    heads = []

    def seen(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        if options.get("is_causal"):
            heads.append((query.shape[1], key.shape[1], value.shape[1], options.get("enable_gqa")))
        return scaled_dot_product_attention(query, key, value, **options)

    monkeypatch.setattr(ar_attention, "scaled_dot_product_attention", seen)
    batch = pack(PREFIXES["ragged"], SUFFIXES)
    grouped(batch, *states(batch))

    assert heads == [(HEADS, KEY_HEADS, KEY_HEADS, True) if way == "merged" else (HEADS, HEADS, HEADS, False)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_cpu_a_prefix_has_the_bits_of_transformers_own_attention(dtype: torch.dtype) -> None:
    batch = pack(PREFIXES["ragged"], SUFFIXES)
    parts = [part.detach() for part in states(batch, dtype)]
    prefix = Grouping.of(batch).prefix
    cut = [part[:, :, :prefix] for part in parts]
    expected = sdpa_attention_forward(Layer(), *cut, None, is_causal=True, scaling=SCALING)[0]

    assert torch.equal(grouped(batch, *parts)[:, :, :prefix], expected.transpose(1, 2))


def test_no_question_sees_another_and_padding_is_seen_by_none(way: str) -> None:
    batch = pack(PREFIXES["ragged"], SUFFIXES, multiple=8)
    query, key, value = (part.detach() for part in states(batch))
    before = grouped(batch, query, key, value)
    for changed in (2, -1):
        touched = (batch.segments == changed)[:, None, :, None]
        after = grouped(batch, query, key + 50 * touched, value + 50 * touched)
        moved = ((after - before).abs().amax(dim=(1, 3)) > 0) & (batch.segments >= 0)

        assert torch.equal(moved, (batch.segments == changed) & (batch.segments >= 0))


def test_scores_far_apart_give_no_nan(way: str) -> None:
    batch = pack(PREFIXES["ragged"], SUFFIXES)
    query, key, value = states(batch)
    far = 300.0 * (batch.segments == 0)[:, None, :, None] - 150.0
    output = grouped(batch, query * 30, key + far, value)
    output.sum().backward()

    assert output.isfinite().all()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in (query, key, value))


def test_half_precision_keeps_its_dtype_and_its_digits(way: str) -> None:
    batch = pack(PREFIXES["ragged"], SUFFIXES)
    full = [part.detach().bfloat16().float() for part in states(batch)]
    output = grouped(batch, full[0], full[1], full[2].bfloat16())  # as under autocast

    assert output.dtype == torch.bfloat16
    real = batch.segments >= 0
    error = (output.float() - grouped(batch, *full)).abs().amax(dim=(1, 3))[real].max()
    assert error < 0.05


def small(kind: str, **changes: Any) -> Any:
    """A random model of an architecture."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.3}
    shape |= {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None, "sliding_window": None}
    config = AutoConfig.for_model(kind, **shape | changes)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


@pytest.mark.parametrize("kind", sorted(EXACT_FOR))
def test_every_listed_architecture_gets_the_logits_of_separate_rows(kind: str, way: str) -> None:
    model, prefixes = small(kind), PREFIXES["ragged"]
    with torch.no_grad():
        expected = question_logits(model, separate(prefixes, SUFFIXES))
        found = question_logits(model, pack(prefixes, SUFFIXES))
        again = question_logits(model, separate(prefixes, SUFFIXES))

    assert model.config._attn_implementation == GROUPED
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert torch.equal(again, expected), "without a grouping the model is as it was"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("gemma2", lambda config: None),
        ("llama", lambda config: setattr(config, "_attn_implementation", "eager")),
        ("mistral", lambda config: setattr(config, "sliding_window", 13)),
        ("llama", lambda config: setattr(config, "attention_dropout", 0.1)),
    ],
)
def test_it_is_kept_from_models_that_it_is_not_exact_for(kind: str, change: Callable[[Any], None]) -> None:
    config, batch = small(kind).config, pack(PREFIXES["ragged"], SUFFIXES)
    change(config)

    assert batch.span == 14
    assert not is_exact(config, batch)


def test_a_window_as_long_as_the_longest_prompt_is_no_obstacle() -> None:
    config, batch = small("mistral", sliding_window=14).config, pack(PREFIXES["ragged"], SUFFIXES)

    assert is_exact(config, batch)
    assert not is_exact(config, replace(batch, packed=False))


def test_questions_apart_and_back_again() -> None:
    grouping = Grouping.of(pack([[1, 2]], [[7, 8], [9], [5, 6, 4, 3]]))
    tokens = torch.arange(7.0).view(1, 1, 7)
    short, long = grouping.blocks

    assert (grouping.prefix, grouping.ragged) == (2, False)
    assert (short.questions, long.questions) == (2, 1)
    assert short.apart(tokens)[:, 0].tolist() == [[0, 1], [2, 2]]
    assert short.apart_once(tokens)[:, 0].tolist() == [[0, 1], [2, 0]]
    assert long.apart(tokens)[:, 0].tolist() == [[3, 4, 5, 6]]
    assert torch.equal(grouping.each(lambda block: [block.apart(tokens)])[0], tokens)


@pytest.mark.parametrize(
    ("lengths", "blocks"),
    [([5], [[0]]), ([4, 4, 4], [[0, 1, 2]]), ([3, 20, 2, 19, 4], [[0, 2, 4], [1, 3]]), ([9, 1, 1], [[1, 2], [0]])],
)
def test_short_questions_are_apart_from_long_ones(lengths: list[int], blocks: list[list[int]]) -> None:
    grouping = Grouping.of(pack([[1]], [[7] * length for length in lengths]))
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))

    assert [owner[block.tokens].unique().tolist() for block in grouping.blocks] == blocks
