import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import ROOT

from abstractor.base.messages.demo import DemoError
from abstractor.data.cases import codebook
from abstractor.data.demo import corpus
from abstractor.data.demo.settings import DemoCorpusParams

CODEBOOK = codebook.load(ROOT / "data" / "codebooks" / "nvdrs_youth.yaml")
PARAMS = DemoCorpusParams(cases=2000, new_cases=50, words=60, noise=0.03, seed=7)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return corpus.draw(CODEBOOK, PARAMS)


def small(**changes: object) -> dict[str, pd.DataFrame]:
    return corpus.draw(CODEBOOK, PARAMS.model_copy(update={"cases": 40, "new_cases": 10, **changes}))


def test_five_tables_in_the_codebooks_order(tables: dict[str, pd.DataFrame]) -> None:
    assert set(tables) == {"train_features", "train_labels", "test_features", "test_labels", "submission_format"}
    for name, rows in {"train": 2000, "test": 50}.items():
        features, labels = tables[f"{name}_features"], tables[f"{name}_labels"]
        assert list(features.columns) == list(CODEBOOK.narratives)
        assert list(labels.columns) == list(CODEBOOK.names)
        assert len(features) == rows
        assert features.index.equals(labels.index)
    blank = tables["submission_format"]
    assert blank.index.equals(tables["test_labels"].index)
    assert all((blank[variable.name] == variable.codes[0]).all() for variable in CODEBOOK.variables)


def test_uids_are_unique_and_tell_nothing_of_the_part(tables: dict[str, pd.DataFrame]) -> None:
    train, new = tables["train_features"].index, tables["test_features"].index
    assert train.is_unique and new.is_unique and not set(train) & set(new)
    assert all(re.fullmatch(r"demo-\d{6}", uid) for uid in train)
    assert train.min() < new.min() < new.max() < train.max()


def test_shares_after_noise(tables: dict[str, pd.DataFrame]) -> None:
    for variable in CODEBOOK.variables:
        if variable.share:
            assert tables["train_labels"][variable.name].mean() == pytest.approx(variable.share, abs=0.04)


def test_some_reports_are_empty_but_never_both(tables: dict[str, pd.DataFrame]) -> None:
    empty = tables["train_features"] == ""
    assert empty.any(axis=1).mean() == pytest.approx(0.04, abs=0.02)
    assert empty.any().all()
    assert not empty.all(axis=1).any()


def test_lengths_vary_around_words(tables: dict[str, pd.DataFrame]) -> None:
    lengths = [len(" ".join(texts).split()) for texts in tables["train_features"].to_numpy()]
    assert np.mean(lengths) == pytest.approx(60, rel=0.1)
    assert np.std(lengths) > 6


def test_texts_differ_and_hold_no_dates(tables: dict[str, pd.DataFrame]) -> None:
    texts = tables["train_features"].agg(" ".join, axis=1)
    assert texts.is_unique
    assert not texts.str.contains(r"\d[/:.-]\d|\d{3}|[{}]").any()


def test_same_seed_same_bytes_other_seed_other_corpus(tmp_path: Path) -> None:
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        corpus.write(tmp_path / name, small(seed=seed))
    read = {name: [path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in "abc"}
    assert len(read["a"]) == 5
    assert read["a"] == read["b"]
    assert read["a"] != read["c"]


def test_a_case_does_not_depend_on_how_many_there_are() -> None:
    few, more = small(), small(cases=60, new_cases=25)
    for name, table in few.items():
        assert table.equals(more[name].loc[table.index])


def test_noise_touches_labels_only() -> None:
    clean, noisy = small(noise=0.0), small(noise=0.2)
    assert clean["train_features"].equals(noisy["train_features"])
    assert 0.1 < np.mean(clean["train_labels"] != noisy["train_labels"]) < 0.3


def test_files_read_back_and_replace_earlier_ones(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "train_labels.csv").write_text("uid\n")
    tables = small()
    corpus.write(folder, tables)
    assert {path.name for path in folder.iterdir()} == {f"{name}.csv" for name in tables}
    for name, table in tables.items():
        read = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
        assert list(read.columns) == ["uid", *table.columns]
        assert read.set_index("uid").equals(table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variables": CODEBOOK.variables[1:]}, "variables or has others DepressedMood"),
        ({"narratives": {"NarrativeLE": "x"}}, "narratives or has others NarrativeCME"),
        (
            {
                "variables": (
                    *CODEBOOK.variables[:-1],
                    dataclasses.replace(CODEBOOK.variables[-1], values={1: "a", 2: "b"}),
                )
            },
            "other codes for WeaponType1",
        ),
        (
            {"variables": (dataclasses.replace(CODEBOOK.variables[0], share=None), *CODEBOOK.variables[1:])},
            "no share for DepressedMood",
        ),
    ],
)
def test_refuses_another_codebook(change: dict[str, object], message: str) -> None:
    other = dataclasses.replace(CODEBOOK, **change)  # type: ignore[arg-type]
    with pytest.raises(DemoError, match=message):
        corpus.draw(other, PARAMS)


@pytest.mark.parametrize("change", [{"cases": 19}, {"cases": 100_001}, {"noise": 0.3}, {"words": 10}, {"seed": -1}])
def test_params_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        DemoCorpusParams.model_validate(PARAMS.model_dump() | change)
