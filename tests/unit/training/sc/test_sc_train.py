from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from support.gpus import same_weights, two_gpus

from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.sc.columns import Layout
from abstractor.models.sc.forms import FORMS
from abstractor.models.sc.reading import Reading, save
from abstractor.models.sc.rows import micro_batch
from abstractor.predicting.sc import predictor
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels
from abstractor.training.loop.fit import Outcome
from abstractor.training.sc.losses import Terms, rdrop_loss, supervised_loss
from abstractor.training.sc.settings import ScModel
from abstractor.training.sc.train import learner, loss_function, optimiser_groups, train

NONE = float("nan")
CPU = Compute(torch.device("cpu"), torch.float32, "test")
LORA = {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": ["query", "value"]}


def learned(codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame) -> Examples:
    """The cases, all of them coded."""
    return Examples.of_coded(cases, of_labels(codebook, labels))


def predicted(codebook: Codebook, cases: pd.DataFrame, batch_tokens: int, chunk: int = 1000) -> pd.DataFrame:
    """Probabilities by the model of fold 0, `chunk` cases at a time."""
    parts = [cases[start : start + chunk] for start in range(0, len(cases), chunk)]
    return pd.concat(predictor(codebook, Path("models/m/0"), CPU, batch_tokens).predict(parts, len(cases), "m/0"))


@pytest.fixture
def batch(codebook: Codebook) -> dict[str, Any]:
    return micro_batch([[[2, 8, 3], [2, 9, 9, 3]], [[2, 10, 3]]], [[1, 1, 0, 0, 1], [0, NONE, NONE, NONE, 0]], 0)


def test_rdrop_compares_two_passes_of_the_same_cases(
    project: Path, settings: dict[str, Any], codebook: Codebook, batch: dict[str, Any]
) -> None:
    params, layout = ScModel(**settings), Layout.of(codebook)
    model = FORMS["concatenated"].build(params, codebook)
    rows = {key: torch.cat([value, value]) for key, value in batch.items() if key != "targets"}
    rows["case"] = torch.tensor([0, 0, 1, 2, 2, 3])
    torch.manual_seed(1)
    first, second = model.train()(**rows).split(2)
    torch.manual_seed(1)
    losses = loss_function(params, 2.0, layout)(model, batch)
    supervised = sum(supervised_loss(layout, one, batch["targets"], Terms(1.0, 1.0)) for one in (first, second)) / 2
    assert not torch.equal(first, second)
    torch.testing.assert_close(losses.supervised, supervised)
    torch.testing.assert_close(losses.total, supervised + 2.0 * rdrop_loss(layout, first, second, "kl"))


@pytest.mark.parametrize("form", ["concatenated", "apart"])
def test_the_loss_of_several_samples_of_dropout_is_their_mean(
    project: Path, settings: dict[str, Any], codebook: Codebook, batch: dict[str, Any], form: str
) -> None:
    """Dropout of the head alone, so that a pass with one sample more draws no other mask elsewhere."""
    layout = Layout.of(codebook)
    several = FORMS[form].build(ScModel(**settings | {"head_samples": 3, "head_dropout": 0.5}), codebook).train()
    several.backbone.eval()
    rows = {key: value for key, value in batch.items() if key != "targets"}
    torch.manual_seed(1)
    logits = several(**rows).unflatten(0, (2, 3))
    assert not torch.equal(logits[:, 0], logits[:, 1]) and not torch.equal(logits[:, 1], logits[:, 2])

    torch.manual_seed(1)
    loss = loss_function(ScModel(**settings), 0.0, layout)(several, batch)
    each = [supervised_loss(layout, one, batch["targets"], Terms(1.0, 1.0)) for one in logits.unbind(1)]
    torch.testing.assert_close(loss.supervised, torch.stack(each).mean(0))
    assert several.eval()(**rows).shape == (2, 5)


def test_several_samples_have_the_expectation_of_one_and_less_spread(
    project: Path, settings: dict[str, Any], codebook: Codebook, batch: dict[str, Any]
) -> None:
    def drawn(samples: int) -> torch.Tensor:
        params = ScModel(**settings | {"head_samples": samples, "head_dropout": 0.5})
        torch.manual_seed(3)
        model, losses = FORMS["concatenated"].build(params, codebook).train(), loss_function(params, 1.0, layout)
        model.backbone.eval()
        with torch.no_grad():
            return torch.stack([losses(model, batch).total.mean() for _ in range(400)])

    layout = Layout.of(codebook)
    one, many = drawn(1), drawn(8)
    assert abs(one.mean() - many.mean()) < 4 * one.std() / 20
    assert many.std() < one.std() / 2


def test_without_rdrop_or_in_evaluation_there_is_one_pass(
    project: Path, params: ScModel, codebook: Codebook, batch: dict[str, Any]
) -> None:
    model, layout = FORMS["concatenated"].build(params, codebook), Layout.of(codebook)
    for weight, mode in ((0.0, True), (2.0, False)):
        losses = loss_function(params, weight, layout)(model.train(mode), batch)
        assert torch.equal(losses.total, losses.supervised)


@pytest.mark.parametrize("pooling", ["mean", "labels"])
def test_the_head_has_a_rate_of_its_own_and_biases_do_not_decay(
    project: Path, settings: dict[str, Any], codebook: Codebook, pooling: str
) -> None:
    params = ScModel(**settings | {"weight_decay": 0.1, "pooling": pooling})
    model = FORMS["concatenated"].build(params, codebook)
    groups = optimiser_groups(model, params)
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (1e-3, 0.1),
        (1e-3, 0),
        (1e-2, 0.1),
        (1e-2, 0),
    ]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.parametrize(
    "change", [{}, {"lora": LORA, "learning_rate": 5e-2}, {"early_stopping": 9}, {"pooling": "labels"}]
)
@pytest.mark.parametrize("form", ["concatenated", "apart"])
def test_training_learns_and_prediction_recovers_it(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    form: str,
    change: dict[str, Any],
) -> None:
    params = ScModel(**settings | {"epochs": 40, "swap": 0.5} | change)
    outcome = train(params, 0.5, form, codebook, learned(codebook, cases, labels), CPU, (7, "m", 0))
    save(outcome.model, Reading.of(params, form, codebook), Path("models/m/0"))
    table = predicted(codebook, cases, 100)
    assert list(table.index) == list(cases.index)
    note = table["Note"].to_numpy() > 0.5
    assert (note == (labels["Note"].to_numpy() == 1)).all()
    training = [loss for _, part, loss in outcome.curve if part == "training"]
    assert training[-1] < 0.5 * training[0]
    assert (outcome.best_validation_loss is not None) == ("early_stopping" in change)


def test_all_extras_together_learn_and_leave_frozen_weights_alone(
    project: Path, settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    extras = {"lovasz_weight": 0.5, "focal": 1.0, "label_smoothing": 0.1, "ema": 0.9, "dropout_from": 0.5}
    extras |= {"layer_decay": 0.9, "frozen_layers": 0, "early_stopping": 9, "epochs": 40, "learning_rate": 5e-3}
    params = ScModel(**settings | extras)
    outcome = train(params, 0.5, "concatenated", codebook, learned(codebook, cases, labels), CPU, (7, "m", 0))
    save(outcome.model, Reading.of(params, "concatenated", codebook), Path("models/m/0"))
    assert ((predicted(codebook, cases, 100)["Note"] > 0.5) == (labels["Note"] == 1)).all()
    before, after = FORMS["concatenated"].build(params, codebook).backbone, outcome.model.backbone
    assert torch.equal(before.embeddings.word_embeddings.weight, after.embeddings.word_embeddings.weight)
    assert not torch.equal(before.encoder.layer[0].output.dense.weight, after.encoder.layer[0].output.dense.weight)


def test_a_frozen_encoder_gives_the_same_features_and_the_head_alone_learns(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    batch: dict[str, Any],
) -> None:
    params = ScModel(**settings | {"frozen_layers": 2, "epochs": 40, "head_learning_rate": 0.1, "head_dropout": 0.0})
    model = learner(params, "concatenated", codebook, torch.float32).train()
    rows = {key: value for key, value in batch.items() if key != "targets"}
    assert torch.equal(model(**rows), model(**rows)), "dropout"
    loss_function(params, 1.0, Layout.of(codebook))(model, batch).total.sum().backward()
    assert {name for name, weight in model.named_parameters() if weight.grad is not None} == {
        "head.weight",
        "head.bias",
    }

    outcome = train(params, 0.5, "concatenated", codebook, learned(codebook, cases, labels), CPU, (7, "m", 0))
    before, after = (one.backbone.state_dict() for one in (model, outcome.model))
    assert all(torch.equal(before[name], after[name]) for name in before)
    training = [loss for _, part, loss in outcome.curve if part == "training"]
    assert training[-1] < 0.8 * training[0]


@pytest.mark.parametrize(
    "change",
    [
        {"lovasz_weight": 1.0},
        {"focal": 2.0},
        {"label_smoothing": 0.2},
        {"ema": 0.9},
        {"dropout_from": 0.5},
        {"layer_decay": 0.5},
        {"frozen_layers": 1},
        {"head_samples": 4},
    ],
)
def test_every_extra_reaches_training(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    change: dict[str, Any],
) -> None:
    targets = of_labels(codebook, labels)
    plain, changed = (
        train(
            ScModel(**settings | more), 0.0, "apart", codebook, Examples.of_coded(cases, targets), CPU, (7, "m", 0)
        ).model.head.weight
        for more in ({}, change)
    )
    assert not torch.allclose(plain, changed)


def test_soft_targets_are_learnt_as_they_are(
    project: Path, settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    params = ScModel(**settings | {"epochs": 60, "head_dropout": 0.0})
    targets = of_labels(codebook, labels).clip(0.3, 0.7)
    outcome = train(params, 0.0, "concatenated", codebook, Examples.of_coded(cases, targets), CPU, (7, "m", 0))
    save(outcome.model, Reading.of(params, "concatenated", codebook), Path("models/m/0"))
    assert (predicted(codebook, cases, 100)["Note"] - targets["Note"]).abs().max() < 0.15


def test_same_seed_same_weights_another_seed_others(
    project: Path, settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    def weights(seed: int) -> torch.Tensor:
        params = ScModel(**settings | {"seed": seed})
        targets = of_labels(codebook, labels)
        return train(
            params, 1.0, "apart", codebook, Examples.of_coded(cases, targets), CPU, (7, "m", 0)
        ).model.head.weight

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


@pytest.mark.parametrize("form", ["concatenated", "apart"])
def test_a_case_comes_in_batches_of_one_shape_whatever_its_company(
    project: Path,
    params: ScModel,
    codebook: Codebook,
    cases: pd.DataFrame,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save(FORMS[form].build(params, codebook), Reading.of(params, form, codebook), Path("models/m/0"))
    shapes = set()

    def recorded(*arguments: Any) -> dict[str, Any]:
        batch = micro_batch(*arguments)
        shapes.add(tuple(batch["input_ids"].shape))
        return batch

    monkeypatch.setattr("abstractor.predicting.sc.micro_batch", recorded)
    # Of different lengths, and some with a single report.
    longer = cases.assign(Coroner=["sad " * (9 * number % 50) for number in range(len(cases))])
    together = predicted(codebook, longer, 300)
    known = shapes.copy()
    for few in (longer[:1], longer[::3], longer[-4:]):
        alone = predicted(codebook, few, 300)
        pd.testing.assert_frame_equal(alone, together.loc[alone.index], rtol=0, atol=1e-7)
    assert shapes == known
    assert len(known) > 2


def test_predictions_do_not_depend_on_batches_or_order(
    project: Path, params: ScModel, codebook: Codebook, cases: pd.DataFrame
) -> None:
    save(
        FORMS["concatenated"].build(params, codebook), Reading.of(params, "concatenated", codebook), Path("models/m/0")
    )
    together = predicted(codebook, cases, 1000)
    for other in (predicted(codebook, cases[::-1], 1), predicted(codebook, cases, 1000, chunk=3)):
        pd.testing.assert_frame_equal(together, other, atol=1e-5)


def test_made_cases_are_learned_from_in_their_share_and_epochs(
    project: Path, settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    """Four coded cases, eight made ones: as many as coded in the first epoch, none in the second."""
    made = cases.index[4:]
    mixed = learned(codebook, cases, labels)._replace(made=made)
    change = {"made_ratio": 1.0, "made_epochs": 1, "epochs": 2, "batch_size": 2}

    def run(examples: Examples, **more: Any) -> Outcome:
        params = ScModel(**settings | change | more)
        return train(params, 0.0, "apart", codebook, examples, CPU, (7, "m", 0))

    outcome = run(mixed)
    assert outcome.steps == 4 + 2
    targets = mixed.targets.copy()
    targets.loc[made] = 0.4
    assert run(mixed._replace(targets=targets)).curve != outcome.curve
    rewritten = cases.iloc[:4].assign(Officer="park park")
    assert run(mixed._replace(rewritten=rewritten), rewrite=0.0).curve == outcome.curve
    assert run(mixed._replace(rewritten=rewritten), rewrite=1.0).curve != outcome.curve


@pytest.mark.parametrize("form", ["concatenated", "masked"])
def test_two_gpus_change_nothing(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    def trained() -> Outcome:
        params = ScModel(**settings | {"epochs": 2, "max_tokens": 64})
        return train(params, 0.5, form, codebook, learned(codebook, cases, labels), CPU, (7, "m", 0))

    alone = trained()
    two_gpus(monkeypatch)
    assert same_weights(trained().model, alone.model)
