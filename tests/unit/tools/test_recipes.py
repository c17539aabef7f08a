"""Every recipe against the code: its parameters bind, its pipeline resolves, its rounds depend on the right members."""

import re
import shutil
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import recipe
from dvc.repo import Repo
from support import ROOT

from abstractor.base.members import read as read_members
from abstractor.base.messages.fetch import BackboneError
from abstractor.base.params import Params
from abstractor.base.yaml_file import read_yaml
from abstractor.machine.compute import Inference, Learning
from abstractor.models.fetch import Backbone, HubSource, fetch
from abstractor.training.ar.settings import ArModel
from abstractor.training.mlm.settings import MlmParams
from abstractor.training.rounds import synthetic
from abstractor.training.rounds.label_errors import CorrectionParams
from abstractor.training.sc.settings import ScModel
from abstractor.writing.engine.settings import MakeCases, Rewrite, Writer

KINDS = {"backbones": Backbone, "writers": Writer, "mlm": MlmParams}
SECTIONS = {"train": Learning, "infer": Inference, "make_cases": MakeCases, "rewrite": Rewrite}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def params_of(folder: Path, name: str) -> Params:
    recipe.apply(name, folder / "params.yaml")
    return Params(folder / "params.yaml", folder / "dvc.yaml")


def graph_of(folder: Path) -> Any:
    """Stages as DVC resolves them; an edge leads from a stage to one that it needs."""
    Repo.init(str(folder), no_scm=True).close()
    with Repo(str(folder)) as repo:
        return nx.relabel_nodes(repo.index.graph, lambda stage: stage.name)


def test_the_demos_models_are_those_that_recipes_start_from() -> None:
    assert set(read_yaml(ROOT / "params.yaml")["models"]) == recipe.DEMO


@pytest.mark.parametrize("name", recipe.names())
def test_every_parameter_of_a_recipe_binds(project: Path, name: str) -> None:
    params = params_of(project, name)
    members = read_members(params)
    for model in members.sc:
        params.get(f"models.{model}", ScModel)
    for model in members.ar:
        params.get(f"models.{model}", ArModel)
    for section, kind in KINDS.items():
        for key in params.get(section, dict[str, Any]):
            params.get(f"{section}.{key}", kind)
    for section, kind in SECTIONS.items():
        params.get(section, kind)
    params.get("correct_labels", CorrectionParams)
    for number in params.get("rounds", list[int]):
        assert synthetic.teachers(params, number)
    known = params.get("backbones", dict[str, Any]).keys() | params.get("mlm", dict[str, Any]).keys()
    for model in params.get("models", dict[str, Any]).values():
        assert model["backbone"] in known
    for key in ("making", "rewriting"):
        assert set(params.get(key, list[str])) <= params.get("writers", dict[str, Any]).keys()


@pytest.mark.parametrize("name", ["reference", "two_rounds"])
def test_students_depend_on_the_members_of_the_round_before(project: Path, name: str) -> None:
    """The labels of a fold on the members that held it out; tests of training sets prove the rest by content."""
    params = params_of(project, name)
    graph = graph_of(project)
    teachers = synthetic.teachers(params, 1)
    folds = params.get("folds", list[int])
    models: dict[str, Any] = params.get("models", dict[str, Any])
    training = {stage.partition("@")[2]: stage for stage in graph if stage.startswith(("train_sc_", "train_ar"))}
    for model, settings in models.items():
        for fold in folds:
            needed = nx.descendants(graph, training[f"{model}-{fold}"]) & set(training.values())
            taught = settings["learns"]["made"] == 1
            expected = {training[f"{teacher}-{other}"] for teacher in teachers for other in folds} if taught else set()
            assert needed == expected
            assert not taught or f"label_cases@1-{fold}" in nx.descendants(graph, training[f"{model}-{fold}"])
    for fold in folds:
        needed = nx.descendants(graph, f"label_cases@1-{fold}") & set(training.values())
        assert needed == {training[f"{teacher}-{fold}"] for teacher in teachers}


@pytest.mark.parametrize("name", ["the demo", *recipe.names()])
def test_the_docs_count_the_stages_of_each_recipe(project: Path, name: str) -> None:
    if name != "the demo":
        recipe.apply(name, project / "params.yaml")
    text = (ROOT / "docs/understand/recipes.md").read_text(encoding="utf-8")
    (counted,) = re.findall(rf"^\| `?{name}`? \|.*\| (\d+) \|$", text, re.MULTILINE)
    assert int(counted) == len(graph_of(project))


def test_the_reference_has_seven_models_of_the_first_round_and_six_of_the_second(project: Path) -> None:
    models = params_of(project, "reference").get("models", dict[str, Any]).values()
    assert [sum(model["learns"]["made"] == learned for model in models) for learned in ("none", 1)] == [7, 6]


@pytest.mark.parametrize("name", ["reference", "lean"])
def test_backbones_of_the_hub_are_refused_until_they_are_pinned(project: Path, name: str) -> None:
    params = params_of(project, name)
    for key in params.get("backbones", dict[str, Any]):
        spec = params.get(f"backbones.{key}", Backbone)
        assert isinstance(spec, HubSource)
        with pytest.raises(BackboneError, match="has no revision; "):
            fetch(key, spec, project / "out")


def test_a_recipe_changes_what_it_names_and_keeps_the_rest(project: Path) -> None:
    before = read_yaml(project / "params.yaml")
    recipe.apply("two_rounds", project / "params.yaml")
    text = (project / "params.yaml").read_text(encoding="utf-8")
    after = read_yaml(project / "params.yaml")
    assert "# Weight of R-Drop" in text
    student = after["models"].pop("sc1_student")
    assert student == before["models"]["sc1_minilm"] | {"learns": {"labels": "coded", "rewrites": "none", "made": 1}}
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"sc_1", "sc", "rounds", "teachers_sc", "teachers_ar", "making", "make_cases"}


def test_a_recipe_on_top_of_another_is_refused(project: Path) -> None:
    recipe.apply("lean", project / "params.yaml")
    with pytest.raises(recipe.RecipeError, match="go back to them first"):
        recipe.apply("two_rounds", project / "params.yaml")
    with pytest.raises(recipe.RecipeError, match="expected one of ablation, base, lean"):
        recipe.apply("fat", project / "params.yaml")
