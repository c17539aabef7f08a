"""The ablation: its rows bind to the code, and its table says what was found and what could have been."""

import shutil
from pathlib import Path
from typing import Any

import ablate
import ablation_table
import numpy as np
import pandas as pd
import pytest
import recipe
from ablation_table import Run, compare, page, seed_deviation, summary, verdict
from dvc.utils.hydra import apply_overrides
from support import ROOT

from abstractor.base.params import Params
from abstractor.base.yaml_file import read_yaml
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.training.sc.settings import ScModel

PLAN: dict[str, Any] = read_yaml(ROOT / "benchmarks/ablation.yaml")
CODEBOOK = Codebook(
    "small", "one case", {"report": "a report"}, (Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),)
)


@pytest.mark.parametrize("name", PLAN)
def test_every_row_binds_to_the_code(tmp_path: Path, name: str) -> None:
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    recipe.apply(ablate.RECIPE, tmp_path / "params.yaml")
    before = read_yaml(tmp_path / "params.yaml")
    row = ablate.Row(**PLAN[name])
    apply_overrides(
        str(tmp_path / "params.yaml"), [f"{key}={ablate.notation(value)}" for key, value in row.set.items()]
    )
    params = Params(tmp_path / "params.yaml", tmp_path / "dvc.yaml")
    params.get(f"models.{row.model}", ScModel)
    for key, value in row.set.items():
        assert params.get(key, object) == value
    assert (read_yaml(tmp_path / "params.yaml") == before) == (name == "base")


def test_there_are_a_base_and_sixteen_ingredients_each_with_seeds_that_the_base_has() -> None:
    assert len(PLAN) == 17
    assert all(set(row["seeds"]) <= set(PLAN["base"]["seeds"]) for row in PLAN.values())
    single = [name for name, row in PLAN.items() if len(row["seeds"]) == 1]
    assert single == ["lovasz", "ema", "layers", "mlm", "corrected", "rewrites", "second_round"]
    assert [name for name, row in PLAN.items() if "rdrop" in row["set"]] == ["rdrop"]


def test_the_difference_pairs_resamples_and_seeds() -> None:
    base = np.random.default_rng(0).normal(0.5, 0.05, 1000)
    means = pd.DataFrame({"base-0": base, "base-1": base + 0.02, "x-0": base + 0.01, "x-1": base + 0.05})
    f1 = pd.Series({"base-0": 0.5, "base-1": 0.52, "x-0": 0.51, "x-1": 0.55})
    found = compare(means, f1, "x", [0, 1], 0.01)
    assert found.mean == pytest.approx(0.02)
    assert (found.low, found.high) == (pytest.approx(0.02), pytest.approx(0.02)), "the cases' noise is shared"
    assert found.detectable == pytest.approx(2.802 * 0.01)


def test_the_deviation_between_seeds_is_pooled_over_rows_with_several() -> None:
    runs = [
        Run(row, seed, pd.DataFrame(), 0.0) for row, seed in (("base", 0), ("base", 1), ("x", 0), ("x", 1), ("y", 0))
    ]
    f1 = pd.Series([0.50, 0.52, 0.60, 0.66, 0.9], ["base-0", "base-1", "x-0", "x-1", "y-0"])
    assert seed_deviation(f1, runs) == pytest.approx(np.sqrt((0.0002 + 0.0018) / 2))


@pytest.mark.parametrize(
    ("f1", "mean", "said"),
    [
        ([0.5, 0.6], 0.03, "gain"),
        ([0.5, 0.6], -0.03, "loss"),
        ([0.5, 0.6], 0.01, "unresolved"),
        ([0.5], 0.03, "unresolved"),
    ],
)
def test_what_is_below_the_detectable_difference_or_of_one_seed_is_unresolved(
    f1: list[float], mean: float, said: str
) -> None:
    assert verdict({"f1": f1, "mean": mean, "detectable": 0.02}) == said


def test_the_page_has_a_row_for_each_ingredient_and_names_what_has_not_run() -> None:
    uids = pd.Index([f"c{number:03}" for number in range(80)], name="uid")
    labels = pd.DataFrame({"Note": np.arange(80) % 3 == 0}, uids).astype("int16")
    rng = np.random.default_rng(0)

    def run(row: str, seed: int, noise: float) -> Run:
        said = np.clip(labels["Note"] * 0.8 + rng.normal(0.1, noise, 80), 0, 1)
        return Run(row, seed, pd.DataFrame({"Note": said.astype("float32")}), 60.0)

    runs = [run("base", 0, 0.5), run("base", 1, 0.5), run("good", 0, 0.05), run("good", 1, 0.05)]
    content = summary(CODEBOOK, labels, None, runs, 0)
    assert content["rows"]["good"]["mean"] > 0
    text = page(content | {"machine": "a machine"}, {"base": "plain", "good": "better", "other": "left out"}, "small")
    assert "| plain | 2 |" in text
    assert "| better | 2 |" in text
    assert "Not run yet: left out." in text
    assert ablation_table.BASE in content["rows"]
