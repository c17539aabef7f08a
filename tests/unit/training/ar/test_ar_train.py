"""Training and prediction of an adapter on a tiny random Llama."""

from math import log
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.gpus import same_weights, two_gpus
from support.marks import NEEDS_BITSANDBYTES

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.ar import loading
from abstractor.models.ar.answers import answer_logits, pick, question_logits
from abstractor.models.ar.packing import Batch
from abstractor.models.ar.prompts import Form, Prompts
from abstractor.models.ar.reading import Reading, save
from abstractor.models.ar.rows import Batcher, constant_loss, option_targets, tokenise
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.predicting.ar import load_base, predictor, predictor_of
from abstractor.training.ar.losses import cross_entropy, symmetric_kl
from abstractor.training.ar.settings import ArModel
from abstractor.training.ar.train import loss_function, train
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels

CPU = Compute(torch.device("cpu"), torch.float32, "test")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_model: Any, tokenizer: Any) -> Path:
    monkeypatch.chdir(tmp_path)
    make_model("llama").save_pretrained("models/backbones/tiny")
    tokenizer.save_pretrained("models/backbones/tiny")
    return tmp_path


@pytest.fixture
def settings() -> dict[str, Any]:
    return {
        "backbone": "tiny",
        "seed": 0,
        "layout": "packed",
        "engine": "transformers",
        "quantize": "none",
        "attention": "auto",
        "system": "none",
        "max_tokens": 128,
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "v_proj", "down_proj"]},
        "learns": {"labels": "coded", "rewrites": "none", "made": "none"},
        "swap": 0.0,
        "rewrite": 0.0,
        "made_ratio": 0.0,
        "made_epochs": None,
        "train_cases": None,
        "epochs": 1,
        "least_steps": 0,
        "batch_size": 4,
        "micro_tokens": 256,
        "pool": 1,
        "learning_rate": 0.02,
        "warmup": 0.1,
        "weight_decay": 0.0,
        "clip": 1.0,
        "ema": 0.0,
        "dropout_from": 0.0,
        "early_stopping": 0,
        "gradient_checkpointing": False,
        "optimizer": "adamw",
        "restarts": 0,
    }


@pytest.fixture
def cases() -> pd.DataFrame:
    texts = [("note found", "depressed"), ("no note", ""), ("", "note found"), ("none", "no history")] * 3
    uids = pd.Index([f"c{number:02}" for number in range(12)], name="uid")
    return pd.DataFrame(texts, index=uids, columns=["Officer", "Coroner"])


@pytest.fixture
def labels(cases: pd.DataFrame) -> pd.DataFrame:
    codes = [(1, 3, 1), (0, 7, 0), (1, -1, 0), (0, 1, -1)] * 3
    return pd.DataFrame(codes, index=cases.index, columns=["Note", "Place", "Mood"], dtype="int16")


@pytest.fixture
def examples(codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame) -> Examples:
    return Examples.of_coded(cases, of_labels(codebook, labels))


def predicted(codebook: Codebook, cases: pd.DataFrame, chunk: int = 1000) -> pd.DataFrame:
    """Probabilities by the model of fold 0, `chunk` cases at a time."""
    parts = [cases[start : start + chunk] for start in range(0, len(cases), chunk)]
    return pd.concat(predictor(codebook, Path("models/m/0"), CPU, 500).predict(parts, len(cases), "m/0"))


def batches_of(params: ArModel, codebook: Codebook, examples: Examples) -> tuple[Any, Any]:
    tokenizer = load_tokenizer(Path("models/backbones/tiny"))
    prompts = Prompts(tokenizer, codebook, params.max_tokens, params.system)
    batcher = Batcher.of(params.layout, prompts, tokenizer, params.micro_tokens, CPU)
    items = list(tokenise(prompts, codebook, examples.cases, examples.targets))
    return prompts, batcher.collator(2 if params.rdrop else 1)(items)


def test_targets_stand_by_question_and_option(codebook: Codebook, examples: Examples) -> None:
    none = [np.nan] * 3
    expected = [[[0, 1, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 0], none, [1, 0, 0]]]
    np.testing.assert_array_equal(option_targets(codebook, examples.targets.iloc[[0, 2]]), expected)


def test_constant_loss_is_the_surprise_at_the_label_shares() -> None:
    first, second, none = [1.0, 0.0], [0.0, 1.0], [np.nan] * 2
    targets = np.array([[first, second], [first, none], [second, second], [second, first]])
    place = [-log(2 / 3), None, -log(2 / 3), -log(1 / 3)]
    expected = np.mean([log(2) if other is None else (log(2) + other) / 2 for other in place])
    assert constant_loss(targets) == pytest.approx(expected)


@pytest.mark.parametrize("form", ["answers", "vocabulary"])
def test_the_loss_is_that_of_the_answers(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples, form: str
) -> None:
    params = ArModel(**settings | {"loss": form, "micro_tokens": 10000})
    prompts, (batch,) = batches_of(params, codebook, examples)
    model = loading.build(Path("models/backbones/tiny"), params, torch.float32, CPU.device, prompts.longest, 0)
    found = loss_function(params, prompts.answers)(model, batch).supervised
    logits = question_logits(model, batch["prompts"])
    for row, targets in enumerate(batch["targets"]):
        losses = []
        for question, target in enumerate(targets):
            if not target.isnan().any():
                place = int(target.argmax())
                tokens = prompts.answers[question]
                scores = logits[row, question]
                normaliser = scores[tokens] if form == "answers" else scores
                losses.append(normaliser.logsumexp(0) - scores[tokens[place]])
        torch.testing.assert_close(found[row], torch.stack(losses).mean())


@pytest.mark.parametrize("form", get_args(Form))
def test_both_layouts_train_alike(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples, form: Form
) -> None:
    found = []
    for layout in ("packed", "separate"):
        params = ArModel(**settings | {"layout": layout, "questions": form, "max_tokens": 256})
        outcome = train(params, codebook, examples, CPU, (7, "m", 0))
        found.append([loss for _, _, loss in outcome.curve])
    assert len(found[0]) == 3
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_rdrop_compares_two_passes_of_the_same_cases(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples
) -> None:
    lora = settings["lora"] | {"dropout": 0.5}
    params = ArModel(**settings | {"rdrop": 2.0, "lora": lora, "micro_tokens": 20000})
    prompts, (batch,) = batches_of(params, codebook, examples)
    model = loading.build(Path("models/backbones/tiny"), params, torch.float32, CPU.device, prompts.longest, 0).train()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_()  # zero at first, which would hide the dropout
    torch.manual_seed(1)
    first, second = (pick(one, prompts.answers) for one in question_logits(model, batch["prompts"]).chunk(2))
    torch.manual_seed(1)
    found = loss_function(params, prompts.answers)(model, batch)
    costs = [cross_entropy(one.log_softmax(dim=2), batch["targets"]) for one in (first, second)]
    supervised = (costs[0] + costs[1]) / 2
    assert not torch.allclose(first, second)
    torch.testing.assert_close(found.supervised, supervised)
    torch.testing.assert_close(found.total, supervised + 2.0 * symmetric_kl(first, second))


@pytest.mark.parametrize("layout", ["packed", "separate"])
def test_a_case_comes_in_batches_of_one_shape_whatever_its_company(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    examples: Examples,
    layout: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params = ArModel(**settings | {"epochs": 1})
    outcome = train(params, codebook, examples, CPU, (7, "m", 0))
    save(outcome.model, Reading.of(params, codebook)._replace(layout=layout), Path("models/m/0"))
    shapes = set()

    def recorded(model: Any, batch: Batch, answers: Any) -> Any:
        shapes.add(tuple(batch.input_ids.shape))
        return answer_logits(model, batch, answers)

    monkeypatch.setattr("abstractor.predicting.ar.answer_logits", recorded)
    cases = examples.cases.assign(Coroner=["none " * (3 * number % 17) for number in range(len(examples.cases))])
    together = predicted(codebook, cases)
    known = shapes.copy()
    for few in (cases[:1], cases[::3], cases[-4:]):
        alone = predicted(codebook, few)
        pd.testing.assert_frame_equal(alone, together.loc[alone.index], rtol=0, atol=1e-7)
    assert shapes == known
    assert len(known) > 1


@pytest.mark.parametrize("form", ["apart", "names"])
def test_training_learns_and_prediction_recovers_it(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples, form: Form
) -> None:
    params = ArModel(**settings | {"epochs": 40, "swap": 0.5, "questions": form, "max_tokens": 256})
    outcome = train(params, codebook, examples, CPU, (7, "m", 0))
    save(outcome.model, Reading.of(params, codebook), Path("models/m/0"))
    cases = examples.cases
    packed = predicted(codebook, cases)
    assert ((packed["Note"] > 0.5) == (examples.targets["Note"] == 1)).all()
    in_parts = predicted(codebook, cases, chunk=3)
    save(outcome.model, Reading.of(params, codebook)._replace(layout="separate"), Path("models/m/0"))
    for other in (predicted(codebook, cases), in_parts):
        pd.testing.assert_frame_equal(other, packed, atol=1e-4)


def test_without_an_epoch_the_model_answers_as_its_backbone(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples
) -> None:
    params = ArModel(**settings | {"epochs": 0, "early_stopping": 3})
    outcome = train(params, codebook, examples, CPU, (7, "m", 0))
    reading = Reading.of(params, codebook)
    save(outcome.model, reading, Path("models/m/0"))
    plain = predictor_of(load_base(reading, CPU), reading, codebook, CPU, 500)
    expected = pd.concat(plain.predict([examples.cases], len(examples.cases), "plain"))

    assert (outcome.steps, outcome.curve, outcome.best_validation_loss) == (0, [], None)
    pd.testing.assert_frame_equal(predicted(codebook, examples.cases), expected, rtol=0, atol=1e-7)


@NEEDS_BITSANDBYTES
@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_an_adapter_of_a_quantized_backbone_is_trained_saved_and_read_as_it_was_trained(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples, quantize: str
) -> None:
    lora = settings["lora"] | {"targets": ["q_proj", "down_proj", "lm_head"]}
    params = ArModel(**settings | {"quantize": quantize, "lora": lora, "epochs": 6})
    outcome = train(params, codebook, examples, CPU, (7, "m", 0))
    save(outcome.model, Reading.of(params, codebook), Path("models/m/0"))
    weights = load_file("models/m/0/adapter_model.safetensors")
    found = predicted(codebook, examples.cases)
    save(outcome.model, Reading.of(params, codebook)._replace(quantize="none"), Path("models/m/0"))
    unlike = predicted(codebook, examples.cases)

    losses = [loss for _, _, loss in outcome.curve]
    assert losses[-1] < 0.7 * losses[0]
    assert {path.name for path in Path("models/m/0").iterdir()} == {
        *("adapter_config.json", "adapter_model.safetensors", "reading.json", "seal.json")
    }
    assert all(".lora_" in name and weight.dtype == torch.float32 for name, weight in weights.items())
    assert len(weights) == 2 * (3 + 3 + 1), "two matrices of every adapted layer, and no whole head"
    assert ((found["Note"] > 0.5) == (examples.targets["Note"] == 1)).all()
    assert (found - unlike).abs().to_numpy().max() > 1e-3, "on the quantized backbone"


def test_train_cases_and_early_stopping_take_their_part(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples
) -> None:
    params = ArModel(**settings | {"train_cases": 9, "early_stopping": 5, "epochs": 2})
    outcome = train(params, codebook, examples, CPU, (7, "m", 0))
    assert outcome.steps == 4  # eight cases and one to validate, four cases a step, two epochs
    assert outcome.best_validation_loss is not None


def test_made_cases_and_paraphrases_are_learned_from(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples
) -> None:
    """Four coded cases, eight made ones: as many as coded in the first epoch, none in the second."""
    made = examples.cases.index[4:]
    mixed = examples._replace(made=made, rewritten=examples.cases.iloc[:4].assign(Officer="another text"))
    change = {"made_ratio": 1.0, "made_epochs": 1, "epochs": 2, "batch_size": 2}
    outcome = train(ArModel(**settings | change), codebook, mixed, CPU, (7, "m", 0))
    assert outcome.steps == 4 + 2
    plain = outcome.curve
    assert train(ArModel(**settings | change | {"rewrite": 1.0}), codebook, mixed, CPU, (7, "m", 0)).curve != plain
    targets = mixed.targets.copy()
    targets.loc[made] = 0.4
    soft = mixed._replace(targets=targets)
    assert train(ArModel(**settings | change), codebook, soft, CPU, (7, "m", 0)).curve != plain


def test_a_paraphrase_stands_for_its_case_in_both_orders(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples
) -> None:
    params = ArModel(**settings)
    tokenizer = load_tokenizer(Path("models/backbones/tiny"))
    prompts = Prompts(tokenizer, codebook, params.max_tokens, params.system)
    rewritten = examples.cases.iloc[[1]].assign(Officer="another text")
    plain, both = tokenise(prompts, codebook, examples.cases.iloc[:2], examples.targets, rewritten)["readings"]
    assert len(plain) == 2
    texts = [prompts.prefix(rewritten.iloc[0].tolist(), swapped=swapped) for swapped in (False, True)]
    assert both[2:] == texts
    batcher = Batcher.of(params.layout, prompts, tokenizer, params.micro_tokens, CPU)
    item = {"readings": both, "targets": [[0.0]]}
    (batch,) = batcher.collator(1, swap=1.0, rewrite=1.0)([item])
    assert batch["prompts"].input_ids[0, : len(both[3])].tolist() == both[3]


def test_two_gpus_change_nothing(
    project: Path, settings: dict[str, Any], codebook: Codebook, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = train(ArModel(**settings), codebook, examples, CPU, (7, "m", 0))
    two_gpus(monkeypatch)
    assert same_weights(train(ArModel(**settings), codebook, examples, CPU, (7, "m", 0)).model, alone.model)
