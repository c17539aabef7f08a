"""The plan for a T4: published sizes, counted costs, clear refusals."""

from pathlib import Path
from typing import Any

import pytest
import t4_plan
from support import ROOT
from t4_plan import Load, PlanError
from transformers import AutoConfig

from abstractor.base.members import read as read_members
from abstractor.base.params import Params
from abstractor.base.yaml_file import read_yaml
from abstractor.handoff.costs import Shape
from abstractor.training.ar.settings import ArModel
from abstractor.training.sc.settings import ScModel

LOAD = Load(cases=1000, prefix=600, asked=600, questions=23, utilisation=t4_plan.UTILISATION)
PARAMETERS = {
    "microsoft/deberta-v2-xlarge": 0.89e9,
    "microsoft/deberta-v2-xxlarge": 1.57e9,
    "microsoft/deberta-v3-large": 0.434e9,
    "meta-llama/Llama-3.2-1B-Instruct": 1.24e9,
    "meta-llama/Llama-3.2-3B-Instruct": 3.21e9,
    "google/gemma-2-2b-it": 2.61e9,
    "Qwen/Qwen2.5-3B-Instruct": 3.09e9,
    "sentence-transformers/all-MiniLM-L6-v2": 22.7e6,
    "HuggingFaceTB/SmolLM2-135M-Instruct": 134.5e6,
}
"""As published with each model."""


@pytest.fixture
def reference() -> Params:
    return Params(ROOT / "recipes/reference.yaml", ROOT / "dvc.yaml")


def test_every_listed_size_has_the_published_number_of_parameters() -> None:
    shapes: dict[str, dict[str, Any]] = read_yaml(ROOT / "recipes/shapes.yaml")
    assert shapes.keys() == PARAMETERS.keys()
    for repo, sizes in shapes.items():
        kind = sizes.pop("model_type")
        encoder = kind in ("bert", "deberta-v2")
        shape = Shape.of(AutoConfig.for_model(kind, **sizes), head=not encoder)
        assert shape.parameters == pytest.approx(PARAMETERS[repo], rel=0.01), repo


def test_the_reference_recipe_fits_the_code(reference: Params) -> None:
    members = read_members(reference)

    assert (len(members.sc), len(members.ar)) == (6, 7)
    for name in members.sc:
        reference.get(f"models.{name}", ScModel)
    for name in members.ar:
        reference.get(f"models.{name}", ArModel)


def test_the_references_thirteen_model_folds_take_less_than_an_hour(reference: Params) -> None:
    rows = t4_plan.plan(reference, LOAD)

    assert len(rows) == 13
    assert sum(row.seconds for row in rows) < 3600
    assert sum(row.alone for row in rows) > 5 * 3600, "the reference itself took 7.6 hours"
    assert all(row.memory < t4_plan.MEMORY for row in rows)


def test_seconds_follow_from_flops_cases_and_utilisation(reference: Params) -> None:
    once = t4_plan.plan(reference, LOAD)
    twice = t4_plan.plan(reference, Load(2000, 600, 600, 23, LOAD.utilisation / 2))

    for row, other in zip(once, twice, strict=True):
        assert row.seconds == pytest.approx(row.flops / 15e12)
        assert other.seconds == pytest.approx(4 * row.seconds)


def test_a_backbone_of_unknown_size_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "recipes/reference.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("google/gemma-2-2b-it", "nobody/unheard-of"), encoding="utf-8")

    with pytest.raises(PlanError, match="nobody/unheard-of, the backbone gemma_2b: its sizes are not known"):
        t4_plan.plan(Params(path, ROOT / "dvc.yaml"), LOAD)
