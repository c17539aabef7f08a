"""Pickled weights and sentencepiece vocabularies, made plain."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file
from support import hub
from torch import nn
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerFast

from abstractor.base.files import sha256
from abstractor.base.messages.fetch import BackboneError
from abstractor.models import convert
from abstractor.models.sc import mask_classifier


class _Code:
    """What a hostile pickle holds: a call that runs when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "before 1.6"])
def test_every_weight_is_kept_as_it_was(archive: bool, tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    weights = {
        "tied.weight": whole,
        "decoder.weight": whole,
        "part": whole[1:3],
        "turned": whole.t(),
        "half": nn.Parameter(torch.tensor([0.5, -0.0]).half()),
        "brain": torch.ones(2, dtype=torch.bfloat16),
        "positions": torch.arange(5),
        "none": torch.zeros(0, 3),
    }
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=archive)
        convert.pickles("tiny", folder)
        assert [path.name for path in folder.iterdir()] == ["model.safetensors"]
    found = load_file(tmp_path / "one/model.safetensors")
    assert found.keys() == weights.keys()
    assert all(found[name].dtype == weight.dtype for name, weight in weights.items())
    assert all(torch.equal(found[name], weight) for name, weight in weights.items())
    assert sha256(tmp_path / "one/model.safetensors") == sha256(tmp_path / "two/model.safetensors")


@pytest.mark.parametrize("legacy", [False, True], ids=["the makers' head", "transformers' head"])
def test_a_masked_model_answers_as_transformers_reads_its_pickle(legacy: bool, tmp_path: Path) -> None:
    model = hub.deberta()
    if legacy:
        model = AutoModelForMaskedLM.from_config(AutoConfig.for_model("deberta-v2", **hub.SHAPE))
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1 * torch.randn_like(weight))
    weights = model.state_dict()
    assert any(name.startswith("cls." if legacy else "lm_predictions.") for name in weights)
    torch.save(weights | {"mask_predictions.dense.weight": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(hub.SHAPE | {"model_type": "deberta-v2"}))
    rows = torch.tensor([[1, 9, 30, 5, 2], [1, 7, 2, 0, 0]])
    logits = []
    for _ in ("by transformers", "converted"):
        found, head = mask_classifier.pretrained(tmp_path, AutoConfig.from_pretrained(tmp_path))
        assert head == "pretrained"
        with torch.inference_mode():
            logits.append(found.eval()(rows, (rows > 0).long()).logits)
        convert.pickles("tiny", tmp_path)
    assert not (tmp_path / "pytorch_model.bin").exists()
    assert torch.equal(*logits)
    with torch.inference_mode():
        torch.testing.assert_close(logits[1], model.eval()(rows, (rows > 0).long()).logits)


def test_parts_keep_their_index(tmp_path: Path) -> None:
    parts = {f"pytorch_model-0000{n}-of-00002.bin": {f"w{n}": torch.full((2,), float(n))} for n in (1, 2)}
    for file, weights in parts.items():
        torch.save(weights, tmp_path / file)
    index = {"metadata": {"total_size": 16}, "weight_map": {f"w{file[18]}": file for file in parts}}
    (tmp_path / convert.PICKLED_INDEX).write_text(json.dumps(index))
    convert.pickles("tiny", tmp_path)
    assert json.loads((tmp_path / "model.safetensors.index.json").read_text()) == {
        "metadata": {"total_size": 16},
        "weight_map": {"w1": "model-00001-of-00002.safetensors", "w2": "model-00002-of-00002.safetensors"},
    }
    assert len(list(tmp_path.iterdir())) == 3
    assert load_file(tmp_path / "model-00002-of-00002.safetensors")["w2"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "before 1.6"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"w": torch.ones(2), "x": _Code()}, "UnpicklingError"),
        ({"model": {"w": torch.ones(2)}}, "dict"),
        ({"w": torch.ones(2), "step": 7}, "int"),
        ({"w": torch.eye(3).to_sparse()}, "Tensor"),
        ([torch.ones(2)], "TypeError"),
    ],
    ids=["code", "nested", "number", "sparse", "list"],
)
def test_more_than_weights_is_refused_and_nothing_runs(
    content: Any, found: str, archive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, "pytorch_model.bin", _use_new_zipfile_serialization=archive)
    with pytest.raises(BackboneError, match=rf"expected pytorch_model\.bin to hold weights alone.*\({found}\)"):
        convert.pickles("tiny", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "before 1.6"])
@pytest.mark.parametrize("kept", [0, 10, 700, -40])
def test_a_damaged_pickle_is_refused_in_words(kept: int, archive: bool, tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    torch.save({"w": torch.ones(300)}, file, _use_new_zipfile_serialization=archive)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(BackboneError, match="or a damaged file"):
        convert.pickles("tiny", tmp_path)


# Vocabularies


@pytest.fixture
def deberta(tmp_path: Path) -> Path:
    """A folder as DeBERTa's: a vocabulary, and a config of the tokenizer that names no class."""
    folder = tmp_path / "deberta"
    folder.mkdir()
    for file in ("config.json", "tokenizer_config.json", "spm.model"):
        (folder / file).write_bytes(hub.contents("microsoft/deberta-v2-xlarge")[file])
    return folder


def test_a_sentencepiece_vocabulary_loads_as_its_model_types_tokenizer(deberta: Path, tmp_path: Path) -> None:
    text = "the victim  was found at home by partner [MASK] zq"
    expected = AutoTokenizer.from_pretrained(deberta)(text, return_offsets_mapping=True)
    convert.vocabulary("tiny", deberta)
    alone = tmp_path / "adapter"  # a trained adapter has no config.json beside its tokenizer
    alone.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (alone / file).write_bytes((deberta / file).read_bytes())
    for folder in (deberta, alone):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert isinstance(tokenizer, PreTrainedTokenizerFast)
        found = tokenizer(text, return_offsets_mapping=True)
        assert all(found[key] == expected[key] for key in ("input_ids", "attention_mask", "offset_mapping"))
        assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
        assert tokenizer.mask_token_id == len(tokenizer) - 1
    assert str(tmp_path) not in (deberta / "tokenizer_config.json").read_text(), "a path of this machine"


@pytest.mark.parametrize(
    "text",
    [
        "found at home",
        "the\u00a0gun",
        "wound\u2026 ",
        "\uff47\uff55\uff4e",
        "\ufb01 e\u0301",
        " a  b\n\n c\t",
        "zero\u200bwidth",
    ],
)
def test_a_vocabulary_reads_characters_as_sentencepiece_does(text: str, deberta: Path) -> None:
    convert.vocabulary("tiny", deberta)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=hub.vocabulary())
    found = AutoTokenizer.from_pretrained(deberta)(text, add_special_tokens=False)["input_ids"]
    assert found == pieces.encode(text)


def test_a_vocabulary_makes_the_same_bytes(deberta: Path) -> None:
    again = Path(shutil.copytree(deberta, deberta.parent / "again"))
    for folder in (deberta, again):
        convert.vocabulary("tiny", folder)
    assert {path.name: sha256(path) for path in deberta.iterdir()} == {
        path.name: sha256(path) for path in again.iterdir()
    }


@pytest.mark.parametrize("package", ["sentencepiece", "google.protobuf"])
def test_a_missing_library_of_vocabularies_is_named(
    package: str, deberta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sentencepiece.sentencepiece_model_pb2", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackboneError, match="found not both; `make setup` installs them"):
        convert.vocabulary("tiny", deberta)


def test_a_damaged_vocabulary_is_refused_in_words(deberta: Path) -> None:
    (deberta / "spm.model").write_bytes(b"no vocabulary")
    with pytest.raises(BackboneError, match=r"vocabulary \(\*\.model\) cannot be read"):
        convert.vocabulary("tiny", deberta)
