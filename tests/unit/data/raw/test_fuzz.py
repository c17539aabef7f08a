"""Any input is accepted or refused by a `UserError` that quotes no narrative: nothing else, no hang, no gigabytes."""

import csv
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import strategies as st
from pydantic import Field
from support import memory, strategies
from support.tally import Tally

from abstractor.base import files
from abstractor.base.errors import UserError
from abstractor.base.members import Folds, Members
from abstractor.base.params import Params, Seed
from abstractor.data import install, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.raw.cases import read_features, read_labels
from abstractor.machine.compute import Inference
from abstractor.predicting import gathering
from abstractor.scoring.ensemble import blend, submission
from abstractor.scoring.scores import thresholds

pytestmark = pytest.mark.reliability

QUICK, THOROUGH = 30, 1000
"""Inputs a target."""
SECONDS = 20
"""Of one input, on a slow and busy machine; a usual one takes some milliseconds."""
MEGABYTES = 400
"""That the inputs of a target may add to the process at their peak; an input has some thousand bytes."""
CASES, NEW = ["a", "b", "c"], ["x", "y", "z"]
CODED = list(strategies.CODES.items())

Read = Callable[[bytes], object]


@pytest.fixture
def book(tmp_path: Path) -> Codebook:
    path = tmp_path / "data/codebooks/tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(strategies.CODEBOOK, sort_keys=False), encoding="utf-8")
    return codebook.load(path)


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"an input took more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def survives(tally: Tally) -> Callable[..., None]:
    """Gives inputs to a reader; at least a fifth must be good enough to be accepted, and some must be refused."""

    def run(inputs: st.SearchStrategy[Any], read: Callable[[Any], object], refuses: bool = True) -> None:
        asked = THOROUGH if tally.thorough else QUICK
        tried = accepted = 0

        def each(content: Any) -> None:
            nonlocal tried, accepted
            tried += 1
            signal.alarm(SECONDS)
            with tally.trial("inputs"):
                try:
                    read(content)
                    accepted += 1
                except UserError as error:
                    assert strategies.MARKER not in str(error)
            signal.alarm(0)

        before = memory.reset_peak()
        strategies.run(inputs, each, asked)
        assert memory.peak() - before < MEGABYTES
        assert tried >= 0.9 * asked
        assert 0.2 * tried <= accepted
        assert accepted < tried or not refuses

    return run


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("f.csv", strategies.feature_files()), ("f.parquet", strategies.feature_tables())],
    ids=["csv", "parquet"],
)
def test_cases_are_laid_down_as_they_were_read(
    tmp_path: Path, book: Codebook, survives: Callable[..., None], name: str, inputs: st.SearchStrategy[bytes]
) -> None:
    def read(content: bytes) -> None:
        cases = read_features(put(tmp_path / name, content), book)
        install.lay_new_cases("tiny", tmp_path / name, tmp_path / "data")
        laid = read_features(tmp_path / "data/raw/tiny/test_features.csv", book)
        pd.testing.assert_frame_equal(laid, cases)

    survives(inputs, read)


def test_labels_are_codes_of_the_codebook(tmp_path: Path, book: Codebook, survives: Callable[..., None]) -> None:
    def read(content: bytes) -> None:
        labels = read_labels(put(tmp_path / "l.csv", content), book, CASES)
        assert list(labels.index) == CASES
        for variable in book.variables:
            assert set(labels[variable.name]) <= {-1, *variable.codes}

    survives(strategies.label_files(CASES), read)


def test_a_corpus_is_laid_down_whole_or_not_at_all(
    tmp_path: Path, book: Codebook, survives: Callable[..., None]
) -> None:
    source, laid = tmp_path / "from", tmp_path / "data/raw/tiny"
    source.mkdir()

    def features(uids: list[str]) -> bytes:
        return b"uid,Police,Coroner\n" + b"".join(f"{uid},{strategies.MARKER},\n".encode() for uid in uids)

    def read(contents: tuple[str, dict[str, bytes]]) -> None:
        name, changed = contents
        before = {path.name: path.read_bytes() for path in laid.glob("*")}
        usual = {"train_features": features(CASES), "test_features": features(NEW)}
        usual["train_labels"] = b"uid,Note,Place\na,0,1\nb,1,2\nc,,3\n"
        for stem, content in (usual | changed).items():
            put(source / f"{stem}.csv", content)
        try:
            install.lay_corpus(name, source, tmp_path / "data/codebooks/tiny.yaml", tmp_path / "data")
        except UserError:
            assert {path.name: path.read_bytes() for path in laid.glob("*")} == before
            raise
        finally:
            for path in source.iterdir():
                path.unlink()
        for path in laid.glob("test_labels.former*.csv"):
            path.unlink()
        if name == "tiny":
            assert len(list(laid.iterdir())) == 5

    options = {
        "train_features": strategies.feature_files(CASES),
        "train_labels": strategies.label_files(CASES),
        "test_features": strategies.feature_files(NEW),
        "test_labels": strategies.label_files(NEW),
        "submission_format": strategies.layout_files(NEW),
    }
    one = st.one_of(*(st.fixed_dictionaries({stem: content}) for stem, content in options.items()))
    names = strategies.mostly(st.just("tiny"), st.sampled_from(("tiny2", "demo", "../up", strategies.MARKER)), of=8)
    survives(st.tuples(names, one), read)


def test_a_codebook_keeps_its_rules(tmp_path: Path, survives: Callable[..., None]) -> None:
    def read(content: bytes) -> None:
        book = codebook.load(put(tmp_path / "codebook.yaml", content))
        assert len(book.columns) == sum(len(variable.columns) for variable in book.variables) == len(set(book.columns))
        json.dumps([vars(variable) for variable in book.variables], ensure_ascii=False, allow_nan=False).encode()

    survives(strategies.codebook_files(), read)


PIPELINE = {"stages": {"one": {"cmd": "x", "params": ["seed", "folds", "infer", "ensemble", "extra", "rdrop"]}}}
PARAMS = {
    "seed": 7,
    "folds": [0, 1],
    "rdrop": 1.0,
    "extra": None,
    "infer": {
        "device": "cpu",
        "dtype": "auto",
        "threads": 2,
        "batch_tokens": 512,
        "chunk_cases": 9,
        "memory_gb": 14.5,
    },
    "ensemble": {"prior": 20.0, "linear": True, "resamples": 500},
}


def test_params_bind_or_are_refused(tmp_path: Path, survives: Callable[..., None]) -> None:
    pipeline = tmp_path / "dvc.yaml"
    pipeline.write_text(yaml.safe_dump(PIPELINE), encoding="utf-8")
    rdrop = Annotated[float, Field(ge=0, le=100)]
    kinds: dict[str, Any] = {"seed": Seed, "folds": Folds, "rdrop": rdrop, "infer": Inference}
    kinds["ensemble"] = blend.EnsembleParams

    def read(content: bytes) -> None:
        params = Params(put(tmp_path / "params.yaml", content), pipeline)
        for key, kind in kinds.items():
            value = params.get(key, kind)
            json.dumps(value.model_dump() if hasattr(value, "model_dump") else value, allow_nan=False)

    def brief(content: bytes) -> None:
        try:
            read(content)
        except UserError as error:
            assert len(str(error)) < 5_000
            raise UserError from None  # parameters are no case text: their values are quoted

    survives(strategies.params_files(PARAMS), brief)


def test_predictions_are_probabilities(tmp_path: Path, book: Codebook, survives: Callable[..., None]) -> None:
    def read(content: bytes) -> None:
        path = put(tmp_path / "p.parquet", content)
        table = predictions.read(path, book)
        assert list(predictions.read_uids(path, book)) == list(table.index)
        parts = list(predictions.read_parts(path, book, 2))
        assert sum(map(len, parts)) == len(table)
        values = table.to_numpy()
        assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1.001).all()

    survives(strategies.prediction_tables(list(book.columns)), read)


def test_what_the_blend_reads_is_decided(tmp_path: Path, book: Codebook, survives: Callable[..., None]) -> None:
    """From one table through weights and thresholds to blend.json, the submission and every system's decisions."""
    members = Members(sc=("one",), ar=(), folds=(0, 1), readers=(0, 1))

    def read(content: bytes) -> None:
        tables = gathering.read(put(tmp_path / "n.parquet", content), members, book)
        uids = tables["one"].index
        codes = {name: [(-1, *codes)[n % (len(codes) + 1)] for n in range(len(uids))] for name, codes in CODED}
        fitted = blend.fit(book, tables, pd.DataFrame(codes, index=uids, dtype=np.int16), prior=20.0)
        files.write_json(tmp_path / "blend.json", vars(fitted))
        back = json.loads((tmp_path / "blend.json").read_text(), parse_constant=pytest.fail)
        assert all(min(found.values()) > 0 for found in back["weights"].values())
        pooled = blend.pool(book, tables, blend.Blend(**back))
        decided = thresholds.decide(book, pooled, back["thresholds"])
        submission.write(tmp_path / "s.csv", decided)
        pd.testing.assert_frame_equal(submission.read(tmp_path / "s.csv", book), decided.sort_index())
        submission.write_systems(tmp_path / "d.parquet", {"one": decided})
        pd.testing.assert_frame_equal(submission.read_systems(tmp_path / "d.parquet", book)["one"], decided)

    survives(strategies.prediction_tables(list(book.columns), group="model"), read)


def test_decisions_are_read_or_refused(tmp_path: Path, book: Codebook, survives: Callable[..., None]) -> None:
    def read(content: bytes) -> None:
        found = submission.read_systems(put(tmp_path / "d.parquet", content), book)
        assert all((table.dtypes == np.int16).all() for table in found.values())

    survives(strategies.decision_tables(list(book.names)), read)


def test_a_submission_is_read_or_refused(tmp_path: Path, book: Codebook, survives: Callable[..., None]) -> None:
    def read(content: bytes) -> None:
        decided = submission.read(put(tmp_path / "s.csv", content), book)
        assert decided.index.is_unique
        assert all(set(decided[variable.name]) <= set(variable.codes) for variable in book.variables)

    full = st.lists(st.tuples(st.sampled_from("01"), st.sampled_from("123")), min_size=1, max_size=5)
    text = full.map(lambda rows: "uid,Note,Place\n" + "".join(f"u{n},{a},{b}\n" for n, (a, b) in enumerate(rows)))
    survives(text.flatmap(lambda each: strategies.spoilt(each.encode())), read)


def test_a_submission_has_each_case_once_in_the_order_asked_for(
    tmp_path: Path, book: Codebook, survives: Callable[..., None]
) -> None:
    decided = pd.DataFrame({"Note": [0, 1, 0], "Place": [1, 2, 3]}, pd.Index(CASES, name="uid"), dtype="int16")

    def read(content: bytes) -> None:
        arranged = submission.arranged(decided, book, put(tmp_path / "format.csv", content))
        submission.write(tmp_path / "s.csv", arranged)
        with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert sorted(header) == ["Note", "Place", "uid"]
        assert sorted(row[0] for row in rows) == CASES
        pd.testing.assert_frame_equal(submission.read(tmp_path / "s.csv", book), decided)

    survives(strategies.layout_files(CASES), read)
