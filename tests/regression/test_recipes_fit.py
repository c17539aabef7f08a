"""Recipes at their published sizes: each fits the card that it names, and the docs say what the plan says."""

import re
from pathlib import Path

import commented_yaml
import plan_inputs
import plan_prediction
import plan_training
import pytest
import recipe
from plan_inputs import Load, PlanError
from plan_training import Plan
from support import ROOT

from abstractor.base.yaml_file import read_yaml
from abstractor.handoff.cards import CARDS

pytestmark = pytest.mark.regression

NAMED: dict[str, str] = read_yaml(ROOT / "recipes/cards.yaml")
LOAD = Load(cases=4000, prefix=600, asked=600, questions=23)
"""As the command has it by default."""


@pytest.mark.parametrize("name", NAMED)
def test_a_recipe_fits_its_card_and_the_docs_say_how(name: str) -> None:
    card = CARDS[NAMED[name]]
    rows = list(Plan(plan_inputs.read(ROOT / f"recipes/{name}.yaml"), LOAD, card, new_cases=1000).rows())
    plan_training.check(rows, card)

    memory, hours = max(row.memory or 0 for row in rows) / 1e9, sum(row.runs * row.hours for row in rows)
    for page in ("README.md", "docs/understand/recipes.md"):
        line = rf"^\| `{name}` \|.*\| {re.escape(card.title)} \| ([\d.]+) GB \| ([\d.]+) h \|"
        told = re.search(line, (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert told is not None, page
        assert float(told[1]) == pytest.approx(memory, abs=0.2), page
        assert float(told[2]) == pytest.approx(hours, rel=0.1), page


def test_the_largest_classifier_fits_with_adams_moments_in_8_bits_alone(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    recipe.apply("reference", params)
    content = commented_yaml.read(params)
    content |= {"sc_1": ["sc1_xxlarge"], "sc_2": [], "sc": ["sc1_xxlarge"], "ar": [], "making": [], "rewriting": []}
    content |= {"teachers_sc": [], "teachers_ar": []}
    content["models"]["sc1_xxlarge"]["optimizer"] = "adamw"
    commented_yaml.write(params, content)

    rows = list(Plan(plan_inputs.read(params), LOAD, CARDS["4090"], new_cases=1000).rows())
    with pytest.raises(PlanError, match=r"train_sc sc1_xxlarge: 2[89]\.\d GB; what helps: optimizer: adamw_8bit"):
        plan_training.check(rows, CARDS["4090"])


def test_the_references_thirteen_model_folds_predict_on_a_t4_in_less_than_an_hour() -> None:
    load, card = Load(cases=1000, prefix=600, asked=600, questions=23), CARDS["T4"]
    rows = plan_prediction.plan(plan_inputs.read(ROOT / "recipes/reference.yaml"), load, card)

    assert len(rows) == 13
    assert sum(row.seconds for row in rows) < 3600
    assert sum(row.alone for row in rows) > 5 * 3600, "the reference itself took 7.6 hours"
    assert all(row.memory < card.usable for row in rows)
