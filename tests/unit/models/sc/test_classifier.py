from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from abstractor.base.errors import RunError
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute
from abstractor.models.sc.classifier import pool
from abstractor.models.sc.forms import FORMS, load
from abstractor.models.sc.reading import VARIANT, Reading, read, save
from abstractor.models.sc.rows import micro_batch
from abstractor.runs.integrity import SealError
from abstractor.training.sc.settings import ScModel

CPU = Compute(torch.device("cpu"), torch.float32, "a test")

LORA = {"rank": 2, "alpha": 4, "dropout": 0.0, "targets": ["value", "query"]}


def test_pooling_ignores_padding() -> None:
    states = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert pool(states, mask, "mean").tolist() == [[1.0, 2.0], [8.0, 9.0]]
    assert pool(states, mask, "first").tolist() == [[0.0, 1.0], [6.0, 7.0]]
    assert pool(states, mask, "last").tolist() == [[2.0, 3.0], [10.0, 11.0]]


def test_logits_are_the_maximum_over_a_cases_rows(project: Path, params: ScModel, codebook: Codebook) -> None:
    model = FORMS["concatenated"].build(params, codebook).eval()
    one, other = [2, 8, 9, 3], [2, 11, 3]
    with torch.inference_mode():
        both = model(**_rows([[one, other], [one]]))
        alone = [model(**_rows([[row]]))[0] for row in (one, other)]
    torch.testing.assert_close(both[0], torch.maximum(*alone))
    torch.testing.assert_close(both[1], alone[0])


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "labels"])
@pytest.mark.parametrize("backbone", ["tiny", "decoder"])
def test_padding_changes_nothing(
    project: Path, settings: dict[str, Any], backbone: str, pooling: str, codebook: Codebook
) -> None:
    model = (
        FORMS["concatenated"].build(ScModel(**settings | {"backbone": backbone, "pooling": pooling}), codebook).eval()
    )
    short, long = [2, 8, 3], [2, 8, 9, 10, 11, 12, 8, 3]
    with torch.inference_mode():
        padded = model(**_rows([[short], [long]]))[0]
        alone = model(**_rows([[short]]))[0]
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "labels"])
@pytest.mark.parametrize("lora", [None, LORA])
def test_a_saved_classifier_predicts_the_same(
    project: Path, settings: dict[str, Any], codebook: Codebook, lora: Any, pooling: str
) -> None:
    params = ScModel(**settings | {"lora": lora, "pooling": pooling})
    model = FORMS["concatenated"].build(params, codebook).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.01)  # an adapter starts at zero, which would hide a lost one
    save(model, Reading.of(params, "apart", codebook), Path("models/m/0"))
    reading = read(Path("models/m/0"), codebook)
    again = load(Path("models/m/0"), reading, codebook)
    assert reading.form == "apart"
    rows = _rows([[[2, 8, 9, 3]]])
    with torch.inference_mode():
        expected = model(**rows)
        if lora:  # the frozen part is the backbone's own, without the 0.01
            assert not torch.equal(again(**rows), expected)
        else:
            assert torch.equal(again(**rows), expected)


def test_a_whole_folder_loads_with_plain_transformers_and_holds_no_pickle(
    project: Path, params: ScModel, codebook: Codebook
) -> None:
    save(FORMS["concatenated"].build(params, codebook), Reading.of(params, "apart", codebook), Path("models/m/0"))
    assert AutoModel.from_pretrained("models/m/0", variant=VARIANT).config.hidden_size == 16
    assert {path.suffix for path in Path("models/m/0").iterdir()} == {".json", ".safetensors"}


def test_an_adapters_bytes_do_not_depend_on_the_run(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    params = ScModel(**settings | {"lora": LORA})
    for name in ("one", "other"):
        torch.manual_seed(3)
        save(FORMS["concatenated"].build(params, codebook), Reading.of(params, "apart", codebook), Path(name) / "m/0")
    for path in Path("one/m/0").iterdir():
        assert path.read_bytes() == (Path("other/m/0") / path.name).read_bytes()
    assert str(project) not in Path("one/m/0/adapter_config.json").read_text()


def test_rows_longer_than_the_backbone_reads_are_refused(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    with pytest.raises(RunError, match="tiny reads 64 tokens at most, found 65"):
        FORMS["concatenated"].build(ScModel(**settings | {"max_tokens": 65}), codebook)


def test_a_classifier_of_other_variables_is_refused(project: Path, params: ScModel, codebook: Codebook) -> None:
    reading = Reading.of(params, "apart", codebook)._replace(columns=["Other"])
    save(FORMS["apart"].build(params, codebook), reading, Path("models/m/0"))
    with pytest.raises(RunError, match="trained for other variables"):
        read(Path("models/m/0"), codebook)


def test_a_missing_or_swapped_folder_is_refused(project: Path, params: ScModel, codebook: Codebook) -> None:
    with pytest.raises(SealError, match="dvc pull models/m/0"):
        read(Path("models/m/0"), codebook)
    save(FORMS["concatenated"].build(params, codebook), Reading.of(params, "apart", codebook), Path("models/m/1"))
    Path("models/m/1").rename("models/m/0")
    with pytest.raises(SealError, match="models/m/0 holds the model of m/1"):
        read(Path("models/m/0"), codebook)


def _rows(cases: list[list[list[int]]]) -> dict[str, Any]:
    batch = micro_batch(cases, [[0]] * len(cases), 0)
    del batch["targets"]
    return batch
