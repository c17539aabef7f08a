"""Kernels in DeBERTa's place compute what transformers computes, and are refused where they cannot.

On any machine this is tried with the library's own reference, which shares all but the kernels with them: positions,
masks, projections, convolution, recomputed activations. `benchmarks/deberta_attention.py` compares the kernels, on a
GPU.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer, DebertaV2Config, DebertaV2ForMaskedLM, DebertaV2Model

from abstractor.base.errors import RunError
from abstractor.base.messages.backbones import ArchitectureError
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.sc import flash
from abstractor.models.sc.forms import FORMS
from abstractor.models.sc.reading import Reading, save
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels
from abstractor.training.loop.callbacks import dropout_rates
from abstractor.training.loop.fit import Losses, mean_loss
from abstractor.training.sc.settings import ScModel
from abstractor.training.sc.train import train

library = pytest.importorskip("disentangled_flash", reason="needs disentangled-flash (extra `dev` or `gpu`)")

V3: dict[str, Any] = {
    "vocab_size": 32, "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 64, "relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm",
    "share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0,
    "initializer_range": 0.3, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
"""Large weights, so that attention is far from an average."""
SHAPES: dict[str, dict[str, Any]] = {
    "v3-large": {},
    "v2-xlarge": {"conv_kernel_size": 3, "conv_act": "gelu"},
    "no buckets": {"position_buckets": -1},
    "projections of their own": {"share_att_key": False},
    "content to position alone": {"pos_att_type": ["c2p"]},
    "position to content alone": {"pos_att_type": ["p2c"]},
}
LENGTHS = (40, 17, 3)
IDS = torch.randint(5, 32, (3, 40), generator=torch.Generator().manual_seed(0))
MASK = (torch.arange(40) < torch.tensor(LENGTHS)[:, None]).long()
CPU = Compute(torch.device("cpu"), torch.float32, "test")
reference = partial(flash.enable, backend="torch")


def model(kind: Any = DebertaV2Model, **changes: Any) -> Any:
    """A random model; the same for the same arguments."""
    torch.manual_seed(0)
    return kind(DebertaV2Config(**V3 | changes))


def learnt(model: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """What a model says of the tokens, and the gradients of a loss over them."""
    said = model(input_ids=IDS, attention_mask=MASK)[0][MASK.bool()]
    said.pow(3).mean().backward()
    return said.detach(), {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("recomputed", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_states_and_gradients_are_those_of_the_plain_code(shape: str, recomputed: bool) -> None:
    plain, ours = model(**SHAPES[shape]).train(), model(**SHAPES[shape]).train()
    if recomputed:
        ours.gradient_checkpointing_enable({"use_reentrant": False})
    reference(ours)

    (expected, gradients), (found, others) = learnt(plain), learnt(ours)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        largest = float(gradient.abs().max())
        torch.testing.assert_close(others[name], gradient, atol=1e-4 * largest + 1e-8, rtol=0, msg=name)


def test_a_validation_leaves_nothing_behind_that_training_cannot_use() -> None:
    """The kernels keep the positions of each length that they have met, from whichever came first."""
    ours = model()
    reference(ours)

    def losses(model: Any, batch: dict[str, Tensor]) -> Losses:
        found = model(input_ids=batch["input_ids"], attention_mask=MASK)[0].mean((1, 2))
        return Losses(found, found)

    mean_loss(ours, losses, [{"input_ids": IDS, "targets": IDS}], CPU)
    assert learnt(ours.train())[1]


def test_names_weights_and_a_masked_head_stay() -> None:
    plain, ours = model(DebertaV2ForMaskedLM), model(DebertaV2ForMaskedLM)
    reference(ours)

    assert isinstance(ours.deberta.encoder, library.DebertaV2OptimizedEncoder)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert all(torch.equal(weight, plain.state_dict()[name]) for name, weight in ours.state_dict().items())
    torch.testing.assert_close(learnt(ours)[0], learnt(plain)[0], atol=2e-5, rtol=0)


def test_the_kernels_attention_dropout_is_found_by_its_name() -> None:
    """Of the kernels it is a plain number, which late dropout has to turn off."""
    attention = library.TritonTrainingDisentangledSelfAttention(
        DebertaV2Config(**V3 | {"attention_probs_dropout_prob": 0.25})
    )

    assert {name for _, name, rate in dropout_rates(attention) if rate == 0.25} >= {"attention_probability_dropout"}


@pytest.fixture
def learns(project: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScModel]:
    """Parameters of a small DeBERTa, which a CPU trains by the library's reference."""
    monkeypatch.setattr(flash, "check", lambda device: None)
    monkeypatch.setattr(flash, "enable", reference)
    folder = Path("models/backbones/deberta")
    model(DebertaV2ForMaskedLM, initializer_range=0.02).save_pretrained(folder)
    AutoTokenizer.from_pretrained("models/backbones/tiny").save_pretrained(folder)
    return lambda **changes: ScModel(**settings | {"backbone": "deberta", "head_dropout": 0.0} | changes)


def test_a_classifier_learns_and_is_written_as_without_kernels(
    learns: Callable[..., ScModel], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    examples, found = Examples.of_coded(cases, of_labels(codebook, labels)), {}
    for attention in ("eager", "flash"):
        params = learns(attention=attention, gradient_checkpointing=True)
        outcome = train(params, 1.0, "concatenated", codebook, examples, CPU, (7, "m", 0))
        folder = Path("models") / attention
        save(outcome.model, Reading.of(params, "concatenated", codebook), folder)
        found[attention] = outcome.model.state_dict()
    assert (found["flash"].keys(), sorted(path.name for path in Path("models/flash").iterdir())) == (
        found["eager"].keys(), sorted(path.name for path in Path("models/eager").iterdir()),
    )  # fmt: skip
    fresh = FORMS["concatenated"].build(learns(), codebook).state_dict()
    assert not torch.allclose(fresh["head.weight"], found["flash"]["head.weight"], atol=1e-3)
    for name, weight in found["eager"].items():
        torch.testing.assert_close(found["flash"][name], weight, atol=1e-4, rtol=0)


@pytest.mark.parametrize("form", ["concatenated", "masked"])
def test_every_form_has_the_kernels_while_it_learns_alone(
    learns: Callable[..., ScModel], form: str, codebook: Codebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    enabled: list[Any] = []
    monkeypatch.setattr(flash, "enable", enabled.append)
    for attention, count in (("auto", 0), ("eager", 0), ("flash", 1)):
        FORMS[form].build(learns(attention=attention, max_tokens=64), codebook)
        assert len(enabled) == count
    with pytest.raises(ArchitectureError, match="sdpa has no code for the relative positions"):
        FORMS[form].build(learns(attention="sdpa", max_tokens=64), codebook)


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"num_attention_heads": 4}, "heads of 16"), ({"relative_attention": False}, "no relative positions")],
)
def test_a_shape_without_kernels_is_refused(
    changes: dict[str, Any], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library.deberta, "_triton", object())
    with pytest.raises(RunError, match=f"32, 64 or 128 units, found {found}; set attention: auto"):
        flash.enable(model(**changes))
