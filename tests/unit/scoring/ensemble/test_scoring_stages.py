"""From predictions to a scored submission: the scoring stages, one after the other, in a made-up project."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from support import ROOT

from abstractor.base.errors import UserError
from abstractor.data import copies, predictions
from abstractor.data import folds as fold_module
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import NOT_CODED, read_prepared_cases, write_cases, write_labels

STAGES = ROOT / "stages"
CODEBOOK = {
    "dataset": "invented",
    "unit": "one case",
    "narratives": {"first": "a report", "second": "another"},
    "variables": [
        {"name": "Note", "kind": "binary", "definition": "A note was left."},
        {"name": "Treated", "kind": "binary", "definition": "In treatment."},
        {"name": "Place", "kind": "categorical", "definition": "Where.", "values": {1: "house", 3: "park", 5: "road"}},
    ],
}
PARAMS = {
    "corpus": "invented",
    "seed": 7,
    "smallest_count": 10,
    "copies": {"similarity": 1.0},
    "score_copies": False,
    "folds": [0, 1],
    "trainings": [0, 1],
    "readers": [0, 1],
    "sc_1": ["one"],
    "sc_2": ["two"],
    "sc_3": [],
    "sc": ["one", "two"],
    "ar": ["three"],
    "baseline": {"c": 10.0, "min_df": 1, "max_features": None},
    "ensemble": {"prior": 5.0, "linear": True, "resamples": 200},
}
CASES, NEW = 60, 20


def run(stage: str) -> None:
    spec = importlib.util.spec_from_file_location(f"stage_{stage}", STAGES / f"{stage}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()


def write_params(**changes: object) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | changes), encoding="utf-8")


def invent(cases: int, prefix: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cases whose reports tell two of three variables, and their labels."""
    rng, uids = np.random.default_rng(seed), pd.Index([f"{prefix}{number:03d}" for number in range(cases)], name="uid")
    labels = pd.DataFrame(
        {"Note": rng.random(cases) < 0.4, "Treated": rng.random(cases) < 0.3, "Place": rng.choice([1, 3, 5], cases)},
        index=uids,
    ).astype(np.int16)
    texts = {"first": ["note left" if note else "none written" for note in labels["Note"]]}
    texts["second"] = [{1: "house", 3: "park", 5: "road"}[place] for place in labels["Place"]]
    return pd.DataFrame(texts, index=uids), labels


def guess(book: codebook.Codebook, labels: pd.DataFrame, skill: float, seed: int) -> pd.DataFrame:
    rng, blocks = np.random.default_rng(seed), []
    for variable in book.variables:
        hot = labels[variable.name].to_numpy()[:, None] == np.array(variable.codes)
        shares = (hot * skill + rng.dirichlet(np.ones(len(variable.codes)), len(labels))) / (1 + skill)
        blocks.append(shares[:, -len(variable.columns) :])
    return predictions.table(book, labels.index.tolist(), np.concatenate(blocks, axis=1))


def lay_project() -> None:
    """Write what the stages read, in the working directory."""
    write_params()
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"all": {"params": list(PARAMS)}}}), encoding="utf-8")
    Path("data/codebooks").mkdir(parents=True)
    Path("data/codebooks/invented.yaml").write_text(yaml.safe_dump(CODEBOOK, sort_keys=False), encoding="utf-8")
    book = codebook.load(Path("data/codebooks/invented.yaml"))
    cases, labels = invent(CASES, "c", 1)
    new, truth = invent(NEW, "n", 2)
    folds = fold_module.assign(book, labels, 2, seed=7)
    write_cases(Path("data/prepared/cases.parquet"), book, cases)
    write_cases(Path("data/prepared/new_cases.parquet"), book, new)
    labels.iloc[:5, 1] = NOT_CODED
    write_labels(Path("data/prepared/labels.parquet"), book, labels)
    fold_module.write(Path("data/prepared/folds.parquet"), folds)
    copies.write(Path("data/predictions/copies.parquet"), copies.among_new(cases.iloc[:0], new.iloc[:0], 1))
    for number, name in enumerate(["one", "two", "three"]):
        for fold in (0, 1):
            held = guess(book, labels[folds == fold], 0.8, 10 * number + fold)
            predictions.write(Path(f"data/predictions/oof/{name}/{fold}.parquet"), book, held)
            predictions.write(
                Path(f"data/predictions/new/{name}/{fold}.parquet"), book, guess(book, truth, 0.8, number)
            )
    raw = Path("data/raw/invented")
    raw.mkdir(parents=True)
    # One case more than was sliced, as in the files of a larger corpus.
    listed = truth[["Place", "Note", "Treated"]].iloc[::-1]
    listed = pd.concat([listed, listed.iloc[:1].set_axis(["other"])])
    (listed * 0).to_csv(raw / "submission_format.csv", index_label="uid")
    listed.to_csv(raw / "test_labels.csv", index_label="uid")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the stages ran, not to be changed."""
    folder = tmp_path_factory.mktemp("original")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        lay_project()
        for stage in ("baseline", "infer_t4", "ensemble", "evaluate"):
            run(stage)
    return folder


@pytest.fixture
def finished(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


SYSTEMS = ["one", "two", "three", "ensemble", "models"]


def read_metrics(name: str) -> dict[str, dict[str, float]]:
    content = json.loads(Path(f"metrics/{name}.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_scores_are_consistent(finished: Path) -> None:
    table, baseline, new = (read_metrics(name) for name in ("ensemble", "baseline", "evaluate"))
    assert table["systems"]["baseline"]["f1"] == baseline["f1"]["mean"]
    assert table["systems"]["ensemble"]["f1"] == table["f1"]["mean"]
    assert set(table["f1"]) == set(baseline["f1"]) == set(new["f1"]) == {"mean", "Note", "Treated", "Place"}
    assert list(table["systems"]) == sorted(["baseline", *SYSTEMS]) == list(new["systems"])
    assert set(table["difference"]) == set(SYSTEMS) == set(new["difference"])
    assert table["cases"] == CASES and new["cases"] == NEW
    assert table["interval"]["low"] < table["f1"]["mean"] < table["interval"]["high"]


def test_the_submission_is_in_the_asked_order(finished: Path) -> None:
    lines = Path("data/predictions/submission.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "uid,Place,Note,Treated"
    assert [line.split(",")[0] for line in lines[1:]] == [f"n{number:03d}" for number in reversed(range(NEW))]


def test_blend_holds_the_weights_and_every_system_s_thresholds(finished: Path) -> None:
    blend = json.loads(Path("models/ensemble/blend.json").read_text(encoding="utf-8"))
    assert set(blend["thresholds"]) == {"baseline", *SYSTEMS}
    assert set(blend["thresholds"]["ensemble"]) == {"Note", "Treated"}
    members = {"ensemble": {"one", "two", "three", "linear_tfidf"}, "models": {"one", "two", "three"}}
    for name, fitted in blend["blends"].items():
        for weights in fitted["weights"].values():
            assert set(weights) == members[name] and min(weights.values()) > 0
        assert {name: len(values) for name, values in fitted["bias"].items()} == {"Place": 3, "Note": 2, "Treated": 2}


def test_the_ensemble_says_what_its_score_is_of(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("ensemble")
    assert "each of 1/2 of the cases; new cases get the mean of 2" in capsys.readouterr().out


def test_plots_hold_baseline_and_ensemble(finished: Path) -> None:
    write_params(smallest_count=0)
    run("ensemble")
    f1 = pd.read_csv("metrics/plots/f1.csv")
    assert list(f1.columns) == ["variable", "system", "f1"] and len(f1) == 6
    table = read_metrics("ensemble")["f1"]
    assert {row.variable: row.f1 for row in f1[f1["system"] == "ensemble"].itertuples()} == {
        name: value for name, value in table.items() if name != "mean"
    }
    reliability = pd.read_csv("metrics/plots/reliability.csv")
    assert set(reliability["system"]) == {"baseline", "ensemble"}
    assert reliability.groupby("system")["count"].sum().tolist() == [CASES * 5 - 5] * 2


def test_a_second_run_writes_the_same_bytes(finished: Path) -> None:
    paths = [path for folder in ("models", "metrics", "data/predictions") for path in Path(folder).rglob("*.*")]
    before = {path: path.read_bytes() for path in paths if path.is_file()}
    for stage in ("baseline", "infer_t4", "ensemble", "evaluate"):
        run(stage)
    assert before == {path: path.read_bytes() for path in before}


def test_new_cases_without_labels_are_not_scored(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("data/raw/invented/test_labels.csv")
    rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([rows[0], *(row.split(",")[0] + ",,," for row in rows[1:])]) + "\n", encoding="utf-8")
    run("evaluate")
    assert read_metrics("evaluate") == {"cases": 0}
    assert "nothing to score" in capsys.readouterr().out


def test_only_labelled_cases_are_scored(finished: Path) -> None:
    path = Path("data/raw/invented/test_labels.csv")
    labels = pd.read_csv(path, index_col="uid")
    labels[["Note", "Treated", "Place"]] = labels[["Note", "Treated", "Place"]].astype("Int64")
    labels.loc["n003"] = pd.NA
    labels.to_csv(path)
    run("evaluate")
    assert read_metrics("evaluate")["cases"] == NEW - 1


def test_copies_are_named_and_not_scored(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Among so few words there are six different cases: all new ones are copies.
    book = codebook.load(Path("data/codebooks/invented.yaml"))
    paths = [Path(f"data/prepared/{name}.parquet") for name in ("cases", "new_cases")]
    training, new = (read_prepared_cases(path, book) for path in paths)
    for uid, of in {"n001": "c001", "n002": "c002"}.items():
        new.loc[uid], training.loc[of] = f"only in {of}", f"Only in  {of}"
    new.loc["n003"] = new.loc["n004"] = "in two new ones"
    alone = [uid for uid in new.index if uid not in ("n001", "n002", "n003", "n004")]
    new.loc[alone, "first"] = [f"{uid} alone" for uid in alone]
    write_cases(Path("data/prepared/cases.parquet"), book, training)
    write_cases(paths[0], book, training)
    write_cases(paths[1], book, new)
    run("find_copies")
    assert "3 of 20 new cases are copies: 2 of training cases, 1 of new ones" in capsys.readouterr().out
    table = copies.read(Path("data/predictions/copies.parquet"))
    assert table.to_numpy().tolist() == [
        ["n001", "c001", copies.TRAINING],
        ["n002", "c002", copies.TRAINING],
        ["n004", "n003", copies.NEW],
    ]
    # No share that tells of three cases, and no uid.
    assert json.loads(Path("metrics/copies.json").read_text(encoding="utf-8")) == {"training": 0, "new": None}
    run("evaluate")
    assert read_metrics("evaluate")["cases"] == NEW - 3
    assert "3 new cases left out" in capsys.readouterr().out
    write_params(score_copies=True)
    run("evaluate")
    assert read_metrics("evaluate")["cases"] == NEW


def test_few_labelled_cases_are_not_scored_in_public(finished: Path) -> None:
    path = Path("data/raw/invented/test_labels.csv")
    labels = pd.read_csv(path, index_col="uid").astype("Int64")
    labels.iloc[9:] = pd.NA
    labels.to_csv(path)
    run("evaluate")
    assert read_metrics("evaluate") == {"cases": None, "suppressed": {"below": 10, "values": 4}}


@pytest.mark.parametrize(
    ("stage", "lost", "message"),
    [
        ("infer_t4", "data/predictions/new/two/1.parquet", "infer_t4_sc@two-1"),
        ("ensemble", "data/predictions/oof/three/0.parquet", "oof_ar@three-0"),
        ("ensemble", "data/predictions/infer_t4.parquet", "dvc repro infer_t4"),
        ("ensemble", "data/predictions/baseline/new.parquet", "is missing"),
        ("evaluate", "data/predictions/decisions.parquet", "dvc repro ensemble"),
    ],
)
def test_a_missing_input_is_refused_and_outputs_stay(finished: Path, stage: str, lost: str, message: str) -> None:
    Path(lost).unlink()
    outputs = [*Path("metrics").rglob("*.*"), *Path("data/predictions").glob("*.*"), *Path("models").rglob("*.*")]
    before = {path: path.read_bytes() for path in outputs if path.is_file()}
    with pytest.raises(UserError, match=message):
        run(stage)
    assert before == {path: path.read_bytes() for path in before}


def test_baseline_predictions_of_other_new_cases_are_refused(finished: Path) -> None:
    path = Path("data/predictions/baseline/new.parquet")
    pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
    with pytest.raises(UserError, match=r"expected 20 cases, found 19.*run stage baseline again"):
        run("ensemble")


def test_test_labels_that_lack_a_new_case_are_refused(finished: Path) -> None:
    path = Path("data/raw/invented/test_labels.csv")
    pd.read_csv(path, index_col="uid", dtype=str).drop(index="n004").to_csv(path)
    with pytest.raises(UserError, match="none for 1 of them"):
        run("evaluate")
