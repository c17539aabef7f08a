"""Dropout and attention of the CPU against PyTorch's own."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

from abstractor.training.loop import cpu_kernels

CPU = torch.device("cpu")


def encoder(attention: str = "sdpa", dropout: float = 0.0) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return BertModel._from_config(config, attn_implementation=attention).train()


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(3, 11, dtype=torch.int64)
    mask[1, 7:] = 0
    mask[2, 2:] = 0
    return {"input_ids": torch.randint(0, 50, (3, 11), generator=generator), "attention_mask": mask}


def gradients(model: BertModel) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.zero_grad()
    rows = batch()
    states = model(**rows).last_hidden_state * rows["attention_mask"][..., None]
    states.square().sum().backward()
    return states.detach(), [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


def test_without_dropout_states_and_gradients_are_those_of_the_fused_kernel() -> None:
    model = encoder()
    states, expected = gradients(model)
    with cpu_kernels.installed(model, CPU):
        assert model.config._attn_implementation == cpu_kernels.PRODUCTS
        found_states, found = gradients(model)
    torch.testing.assert_close(found_states, states, rtol=1e-4, atol=1e-5)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.937])
def test_a_mask_keeps_the_share_that_it_should(dropout: float) -> None:
    torch.manual_seed(3)
    mask = cpu_kernels.kept(torch.Size([7, 30001]), dropout)
    deviation = (dropout * (1 - dropout) / mask.numel()) ** 0.5
    assert abs(float(mask.double().mean()) - (1 - dropout)) < 4 * deviation + 1 / 65536
    # Neighbours are drawn apart: a pair is kept with the product of both probabilities.
    pairs = (mask[:, 1:] & mask[:, :-1]).double().mean()
    assert abs(float(pairs) - (1 - dropout) ** 2) < 8 * deviation


def test_dropout_keeps_the_mean_and_hands_back_its_mask() -> None:
    layer = nn.Sequential(nn.Dropout(0.25))
    numbers = torch.ones(400, 500, requires_grad=True)
    with cpu_kernels.installed(layer.train(), CPU):
        torch.manual_seed(4)
        result = layer(numbers)
        result.sum().backward()
        torch.manual_seed(4)
        assert torch.equal(layer(numbers), result), "the same seed must draw the same mask"
        layer.eval()
        assert layer(numbers) is numbers
    assert sorted(result.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert float(result.detach().mean()) == pytest.approx(1.0, abs=0.01)
    assert torch.equal(numbers.grad, result)


def test_attention_drops_weights_without_moving_the_mean() -> None:
    torch.manual_seed(5)
    query, key, value = (torch.randn(1, 2, 6, 8) for _ in range(3))
    layer = nn.Module().train()
    whole, _ = cpu_kernels.attention(layer, query, key, value, None)
    copies = [cpu_kernels.attention(layer, query, key, value, None, dropout=0.3)[0] for _ in range(4000)]
    assert not torch.equal(copies[0], copies[1])
    torch.testing.assert_close(torch.stack(copies).mean(dim=0), whole, rtol=0, atol=0.06)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_rates_without_a_draw_stay_pytorchs(rate: float) -> None:
    layer = nn.Sequential(nn.Dropout(rate)).train()
    with cpu_kernels.installed(layer, CPU):
        assert torch.equal(layer(torch.ones(5)), torch.full((5,), 1.0 - rate))


def test_the_model_is_afterwards_as_it_was_also_after_a_fault() -> None:
    model = encoder(dropout=0.1)
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(ZeroDivisionError), cpu_kernels.installed(model, CPU):
        assert any(isinstance(module, cpu_kernels.DrawnDropout) for module in model.modules())
        raise ZeroDivisionError
    assert [type(module) for module in model.modules()] == kinds
    assert model.config._attn_implementation == "sdpa"


def test_a_decoder_keeps_its_attention_and_a_gpu_keeps_everything() -> None:
    decoder = LlamaModel._from_config(
        LlamaConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16),
        attn_implementation="sdpa",
    )
    with cpu_kernels.installed(decoder, CPU):
        assert decoder.config._attn_implementation == "sdpa"
    model = encoder(dropout=0.1)
    with cpu_kernels.installed(model, torch.device("cuda")):
        assert not any(isinstance(module, cpu_kernels.DrawnDropout) for module in model.modules())
        assert model.config._attn_implementation == "sdpa"
