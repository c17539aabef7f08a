"""What a run asks for is what a stopped one is found again by."""

from pathlib import Path

import pytest

from abstractor.base.params import ParamsError, Seed
from abstractor.runs.inputs import Inputs


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text("stages: {one: {params: [corpus, seed, folds]}}", encoding="utf-8")
    Path("params.yaml").write_text("corpus: small\nseed: 1\nfolds: [0, 1]\n", encoding="utf-8")
    Path("data/codebooks").mkdir(parents=True)
    Path("data/codebooks/small.yaml").write_text("a", encoding="utf-8")


def folder(device: str = "cpu", afterwards: str | None = None) -> str:
    """The folder that a run is kept in, which is found again while the run has not ended."""
    inputs = Inputs()
    inputs.get("seed", Seed)
    inputs.codebook()
    inputs.also(device)
    with pytest.raises(KeyboardInterrupt), inputs.kept("train/m/0") as place:
        if afterwards:
            inputs.get(afterwards, list[int])
        raise KeyboardInterrupt
    return place.name


def test_all_that_was_asked_for_counts() -> None:
    places = [folder(), folder("cuda")]
    Path("data/codebooks/small.yaml").write_text("b", encoding="utf-8")
    places.append(folder())
    Path("params.yaml").write_text("corpus: small\nseed: 2\nfolds: [0, 1]\n", encoding="utf-8")
    places.append(folder())
    assert len(set(places)) == len(places)


def test_what_was_not_asked_for_or_later_does_not_count() -> None:
    place = folder()
    Path("params.yaml").write_text("corpus: small\nseed: 1\nfolds: [0, 1, 2]\n", encoding="utf-8")
    assert folder() == folder(afterwards="folds") == place


def test_a_parameter_that_is_missing_is_refused() -> None:
    with pytest.raises(ParamsError, match="rdrop is missing"):
        Inputs().get("rdrop", float)
