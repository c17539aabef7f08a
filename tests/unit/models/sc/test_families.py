"""Random models of every family: what must hold for SC1 whatever the backbone."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, TrainerControl, TrainerState, TrainingArguments

from abstractor.base.errors import RunError
from abstractor.base.messages.backbones import ArchitectureError
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, autocast
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.classifier import Classifier
from abstractor.models.sc.columns import Layout, probabilities
from abstractor.models.sc.forms import FORMS, load
from abstractor.models.sc.reading import Reading, read, save
from abstractor.models.sc.rows import micro_batch, tokenise
from abstractor.predicting.sc import predictor
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels
from abstractor.training.loop.callbacks import LateDropout
from abstractor.training.sc.settings import ScModel
from abstractor.training.sc.train import learner, optimiser_groups, train

CPU = Compute(torch.device("cpu"), torch.float32, "test")
HALF = Compute(torch.device("cpu"), torch.bfloat16, "test")
SHAPE: dict[str, Any] = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
SHAPE |= {"num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0}
FAMILIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "roberta": ({}, ["query", "value"]),
    "deberta-v2": (
        {
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
        ["query_proj", "value_proj"],
    ),
    "modernbert": (
        {"local_attention": 4, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
        ["Wqkv", "Wo"],
    ),
    "longformer": ({"attention_window": 4}, ["query", "value", "query_global", "value_global"]),
    "big_bird": ({"block_size": 3, "num_random_blocks": 1, "sep_token_id": 3}, ["query", "value"]),
    "llama": ({"num_key_value_heads": 1}, ["q_proj", "v_proj"]),
    "qwen2": ({"num_key_value_heads": 1}, ["q_proj", "v_proj"]),
}
"""Model type -> what its tiny config needs, and the layers to adapt."""
SHORT = 21
"""Tokens up to which the tiny BigBird attends in full: (5 + 2 * 1 random block) * 3 a block."""


def learned(codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame) -> Examples:
    """The cases, all of them coded."""
    return Examples.of_coded(cases, of_labels(codebook, labels))


def write(kind: str, **changes: Any) -> None:
    """Put a random model of a family where the library looks for the backbone `kind`."""
    torch.manual_seed(0)
    folder = Path("models/backbones") / kind
    AutoModel.from_config(AutoConfig.for_model(kind, **SHAPE | FAMILIES[kind][0] | changes)).save_pretrained(folder)
    AutoTokenizer.from_pretrained("models/backbones/tiny").save_pretrained(folder)


def lora(kind: str) -> dict[str, Any]:
    return {"rank": 2, "alpha": 4, "dropout": 0.1, "targets": FAMILIES[kind][1]}


def of(settings: dict[str, Any], kind: str, **changes: Any) -> ScModel:
    return ScModel(**settings | {"backbone": kind} | changes)


def rows(*lengths: int) -> dict[str, Any]:
    cases = [[[2, *(5 + number % 9 for number in range(length - 2)), 3]] for length in lengths]
    batch = micro_batch(cases, [[0]] * len(lengths), 0)
    del batch["targets"]
    return batch


@pytest.mark.parametrize("compute", [CPU, HALF], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_two_steps_change_the_model_and_prediction_finds_it_changed(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    kind: str,
    adapted: bool,
    compute: Compute,
) -> None:
    write(kind)
    params = of(settings, kind, lora=lora(kind) if adapted else None, epochs=1, batch_size=6, learning_rate=1e-2)
    outcome = train(
        params,
        1.0,
        "concatenated",
        codebook,
        learned(codebook, cases, labels),
        compute,
        (7, "m", 0),
    )
    assert outcome.steps == 2
    folder = Path("models/m/0")
    save(outcome.model, Reading.of(params, "concatenated", codebook), folder)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}

    found = pd.concat(predictor(codebook, folder, compute, 100).predict([cases], len(cases), "m/0"))
    trained = {name: weight.detach() for name, weight in outcome.model.named_parameters() if weight.requires_grad}
    fresh = FORMS["concatenated"].build(params, codebook)
    assert any("lora_B" in name and bool((weight != 0).any()) for name, weight in trained.items()) == adapted
    moved = [name for name, weight in fresh.named_parameters() if name in trained and not weight.equal(trained[name])]
    assert len({name.split(".layer")[1].split(".")[1] for name in moved if ".layer" in name}) == 2
    expected = again(outcome.model, kind, codebook, cases, compute)
    torch.testing.assert_close(torch.tensor(found.to_numpy()), expected, atol=1e-5 if compute is CPU else 2e-2, rtol=0)


def again(model: Any, kind: str, codebook: Codebook, cases: pd.DataFrame, compute: Compute) -> torch.Tensor:
    """Probabilities by the model in memory, each case alone; reads cases as `predictor` does."""
    tokenizer = load_tokenizer(kind)
    builder = FORMS["concatenated"].rows(tokenizer, codebook, 32)
    batches = [
        micro_batch([builder.rows(item["narratives"])], [item["targets"]], 0)
        for item in tokenise(tokenizer, codebook, cases, None)
    ]
    with torch.inference_mode(), autocast(compute):
        logits = [model.eval()(**{k: v for k, v in batch.items() if k != "targets"}) for batch in batches]
    return probabilities(Layout.of(codebook), torch.cat(logits))


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_other_rows_and_padding_change_nothing(
    project: Path, settings: dict[str, Any], kind: str, pooling: str, codebook: Codebook
) -> None:
    write(kind)
    model = FORMS["concatenated"].build(of(settings, kind, pooling=pooling, max_tokens=SHORT), codebook).eval()
    with torch.inference_mode():
        together, alone = model(**rows(5, SHORT, 3)), [model(**rows(length))[0] for length in (5, SHORT, 3)]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=0)


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_recomputed_activations_give_the_same_gradients(
    project: Path, settings: dict[str, Any], kind: str, adapted: bool, codebook: Codebook
) -> None:
    dropouts = ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout", "mlp_dropout")
    known = AutoConfig.for_model(kind).to_dict()
    write(kind, **{name: 0.0 for name in (*dropouts, "embedding_dropout") if name in known})
    adapter = lora(kind) | {"dropout": 0.0} if adapted else None
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        params = of(settings, kind, gradient_checkpointing=checkpointing, lora=adapter, head_dropout=0.0)
        model = FORMS["concatenated"].build(params, codebook).train()
        model(**rows(9, 12)).square().sum().backward()
        found.append({name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None})
    assert found[0].keys() == found[1].keys()
    assert any("backbone" in name and bool(grad.any()) for name, grad in found[0].items())
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)


def rate_of(name: str) -> float:
    """What a weight of a model of two layers learns at, by its name, with a peak of 1e-3 and a decay of 0.5."""
    for part, rate in (("head.", 1e-2), (".0.", 5e-4), (".1.", 1e-3), ("embed", 2.5e-4)):
        if part in name:
            return rate
    return 1e-3


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_each_layer_learns_slower_than_the_one_above(
    project: Path, settings: dict[str, Any], kind: str, adapted: bool, codebook: Codebook
) -> None:
    write(kind)
    params = of(settings, kind, layer_decay=0.5, lora=lora(kind) if adapted else None)
    model = FORMS["concatenated"].build(params, codebook)
    found = {id(weight): group["lr"] for group in optimiser_groups(model, params) for weight in group["params"]}
    trained = {name: found.get(id(weight)) for name, weight in model.named_parameters() if weight.requires_grad}
    assert len(found) == len(trained)
    assert trained == {name: pytest.approx(rate_of(name)) for name in trained}
    assert len(set(found.values())) == (3 if adapted else 4)


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_lowest_layers_are_frozen(
    project: Path, settings: dict[str, Any], kind: str, adapted: bool, codebook: Codebook
) -> None:
    write(kind)
    adapter = lora(kind) if adapted else None

    def trained(frozen: int | None) -> set[str]:
        model = learner(of(settings, kind, frozen_layers=frozen, lora=adapter), "concatenated", codebook, torch.float32)
        return {name for name, weight in model.named_parameters() if weight.requires_grad}

    every = trained(None)
    assert trained(0) == {name for name in every if rate_of(name) != 2.5e-4}
    assert trained(1) == {name for name in every if rate_of(name) > 5e-4}
    with pytest.raises(RunError, match="has 2 layers, found 3"):
        trained(3)


def test_a_backbone_of_one_shared_layer_trains_but_has_no_depth(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    folder = Path("models/backbones/albert")
    AutoModel.from_config(AutoConfig.for_model("albert", **SHAPE, embedding_size=8)).save_pretrained(folder)
    params = of(settings, "albert")
    model = learner(params, "concatenated", codebook, torch.float32)
    assert optimiser_groups(model, params)
    with pytest.raises(RunError, match="albert has no list of its 2 layers"):
        optimiser_groups(model, of(settings, "albert", layer_decay=0.9))
    with pytest.raises(RunError, match="frozen_layers: null"):
        learner(of(settings, "albert", frozen_layers=0), "concatenated", codebook, torch.float32)


DROPOUTS = {
    "attention": ("attention_probs_dropout_prob", "attention_dropout"),
    "states": ("hidden_dropout_prob", "mlp_dropout", "embedding_dropout"),
}
PLACES = [(kind, where) for kind in FAMILIES for where in (*DROPOUTS, "adapter", "head")]
DECODERS = [("llama", "states"), ("qwen2", "states")]
"""They drop attention only."""


@pytest.mark.parametrize(("kind", "where"), [place for place in PLACES if place not in DECODERS])
def test_late_dropout_reaches_every_dropout(
    project: Path, settings: dict[str, Any], kind: str, where: str, codebook: Codebook
) -> None:
    known = AutoConfig.for_model(kind).to_dict()
    write(kind, **{name: 0.5 * (part == where) for part in DROPOUTS for name in DROPOUTS[part] if name in known})
    adapter = lora(kind) | {"dropout": 0.5} if where == "adapter" else None
    head = 0.5 * (where == "head")
    model = (
        FORMS["concatenated"]
        .build(of(settings, kind, lora=adapter, head_dropout=head, max_tokens=SHORT), codebook)
        .train()
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)  # from zero, an adapter would say nothing

    def same() -> bool:
        return torch.equal(model(**rows(9)), model(**rows(9)))

    late, arguments, control = LateDropout(0.5), TrainingArguments(report_to=[]), TrainerControl()
    assert not same()
    late.on_train_begin(arguments, TrainerState(max_steps=10), control, model=model)
    late.on_step_begin(arguments, TrainerState(global_step=4, max_steps=10), control)
    assert same()
    late.on_step_begin(arguments, TrainerState(global_step=5, max_steps=10), control)
    assert not same()


def test_longformers_first_token_sees_the_whole_row(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    write("longformer", num_hidden_layers=1)
    model = FORMS["concatenated"].build(of(settings, "longformer", pooling="first"), codebook).eval()
    batch = rows(30)
    other = {**batch, "input_ids": batch["input_ids"].clone()}
    other["input_ids"][0, -2] = 12
    mask = torch.zeros_like(batch["input_ids"])
    mask[0, 0] = 1
    with torch.inference_mode():
        assert not torch.allclose(model(**batch), model(**other), atol=1e-5)
        states = AutoModel.from_pretrained("models/backbones/longformer").eval()(
            input_ids=batch["input_ids"], global_attention_mask=mask
        )
        torch.testing.assert_close(model(**batch), model.head(states.last_hidden_state[:, 0]))


def test_big_bird_stays_sparse_after_short_rows(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    write("big_bird")
    model = FORMS["concatenated"].build(of(settings, "big_bird", max_tokens=SHORT + 1), codebook).eval()
    full = FORMS["concatenated"].build(of(settings, "big_bird", max_tokens=SHORT), codebook).eval()
    full.head.load_state_dict(model.head.state_dict())
    with torch.inference_mode():
        first = model(**rows(40))
        model(**rows(6))
        assert torch.equal(model(**rows(40)), first)
        assert not torch.allclose(full(**rows(40)), first, atol=1e-4)
    assert [model.backbone.attention_type, full.backbone.attention_type] == ["block_sparse", "original_full"]


def test_a_trained_big_bird_is_read_as_it_was_trained(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    write("big_bird")
    for limit, expected in ((SHORT, "original_full"), (SHORT + 1, "block_sparse")):
        params = of(settings, "big_bird", max_tokens=limit)
        save(
            FORMS["concatenated"].build(params, codebook),
            Reading.of(params, "concatenated", codebook),
            Path("models/m/0"),
        )
        model = load(Path("models/m/0"), read(Path("models/m/0"), codebook), codebook)
        assert model.backbone.attention_type == expected


def test_positions_beyond_the_padding_are_counted(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    """RoBERTa's 64 positions begin at 1 here; a row of 63 is read, one of 64 would read beyond its table."""
    write("roberta")
    with pytest.raises(RunError, match="roberta reads 63 tokens at most, found 64"):
        FORMS["concatenated"].build(of(settings, "roberta", max_tokens=64), codebook)
    model: Classifier = FORMS["concatenated"].build(of(settings, "roberta", max_tokens=63), codebook)
    ids = torch.full((1, 63), 5)
    one = torch.zeros(1, dtype=torch.long)
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids), case=one, slot=one).shape == (1, 5)


def test_relative_positions_have_no_limit(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    write("deberta-v2")
    model = FORMS["concatenated"].build(of(settings, "deberta-v2", max_tokens=512), codebook)
    ids = torch.full((1, 200), 5)
    one = torch.zeros(1, dtype=torch.long)
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids), case=one, slot=one).isfinite().all()
    with pytest.raises(RunError, match="biased reads 64 tokens at most, found 65"):
        write_biased(settings, codebook)


def write_biased(settings: dict[str, Any], codebook: Codebook) -> None:
    folder = Path("models/backbones/biased")
    shape = SHAPE | FAMILIES["deberta-v2"][0] | {"position_biased_input": True}
    AutoModel.from_config(AutoConfig.for_model("deberta-v2", **shape)).save_pretrained(folder)
    FORMS["concatenated"].build(of(settings, "biased", max_tokens=65), codebook)


def test_a_decoder_keeps_no_cache(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    write("llama")
    model = FORMS["concatenated"].build(of(settings, "llama", lora=lora("llama")), codebook)
    assert model.backbone(input_ids=torch.tensor([[5, 6]])).past_key_values is None


def test_a_type_that_no_rule_names_loads_as_transformers_loads_it(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    """XLNet has no SDPA; to ask for it would refuse a model that AutoModel loads."""
    folder = Path("models/backbones/xlnet")
    shape = {"vocab_size": 32, "d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}
    AutoModel.from_config(AutoConfig.for_model("xlnet", **shape)).save_pretrained(folder)
    model = FORMS["concatenated"].build(of(settings, "xlnet"), codebook).eval()
    with torch.inference_mode():
        assert model(**rows(9, 4)).isfinite().all()
    with pytest.raises(ArchitectureError, match="sdpa is missing for xlnet; set it to auto or eager"):
        FORMS["concatenated"].build(of(settings, "xlnet", attention="sdpa"), codebook)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_is_what_was_asked_for(
    project: Path, settings: dict[str, Any], codebook: Codebook, attention: str
) -> None:
    write("roberta")
    model = FORMS["concatenated"].build(of(settings, "roberta", attention=attention), codebook)
    assert model.backbone.config._attn_implementation == attention
