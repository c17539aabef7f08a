"""Masked-language-model training of a tiny random BERT, and its stage."""

import importlib.util
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
import torch
import yaml
from support import ROOT, strategies
from support.gpus import same_weights, two_gpus
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
)

from abstractor.base.errors import RunError, UserError
from abstractor.base.messages.mlm import MlmError
from abstractor.base.params import ParamsError
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import write_cases
from abstractor.machine.compute import Compute
from abstractor.runs.integrity import pin
from abstractor.training.loop import checkpoints
from abstractor.training.loop.checkpoints import arguments
from abstractor.training.mlm.settings import MlmParams
from abstractor.training.mlm.train import (
    Outcome,
    _Masks,
    _MaskTrainer,
    _try_longest,
    rows,
    save,
    start,
    train,
)

STAGE = ROOT / "stages/pretrain_mlm.py"
CPU = Compute(torch.device("cpu"), torch.float32, "test")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "f"]
TEXTS = ["a b c d e f a b c d e f", "d e f a b c d e f a b c"] * 8
SETTINGS: dict[str, Any] = {
    "backbone": "tiny",
    "seed": 0,
    "new_cases": False,
    "max_tokens": 16,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "warmup": 0.1,
    "mask_share": 0.3,
    "weight_decay": 0.01,
}
CODEBOOK = {
    "dataset": "invented",
    "unit": "one case",
    "narratives": {"first": "a report", "second": "another"},
    "variables": [{"name": "Note", "kind": "binary", "definition": "A note was left."}],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with three backbones: `tiny` with a masked-LM head, `bare` without, `decoder`."""
    monkeypatch.chdir(tmp_path)
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=raw, **{f"{part}_token": name for part, name in names.items()})
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 32}
    shape |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}
    made = {
        "tiny": BertForMaskedLM(BertConfig(**shape)),
        "bare": BertModel(BertConfig(**shape)),
        "decoder": LlamaModel(LlamaConfig(**shape)),
    }
    for name, model in made.items():
        model.save_pretrained(tmp_path / "models/backbones" / name)
        fast.save_pretrained(tmp_path / "models/backbones" / name)
    return tmp_path


def trained(texts: list[str] = TEXTS, **changes: Any) -> Outcome:
    return train(MlmParams(**SETTINGS | changes), texts, CPU, (7, "read"))


def test_the_loss_falls_on_a_repetitive_text(project: Path) -> None:
    losses = [loss for _, part, loss in trained(epochs=40).curve if part == "training"]
    assert losses[-1] < 0.5 * losses[0]


def test_a_batch_that_does_not_fit_in_memory_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Mock(side_effect=torch.OutOfMemoryError("CUDA out of memory"))
    monkeypatch.setattr(_MaskTrainer, "compute_loss", failing)
    with pytest.raises(RunError, match=r"in training; .*; lower batch_size or max_tokens of the section mlm"):
        trained()


def test_two_gpus_change_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = trained()
    two_gpus(monkeypatch)
    assert same_weights(trained().model, alone.model)


@pytest.mark.parametrize("backbone", ["tiny", "bare"])
def test_the_folder_is_a_backbone_for_encoders_and_for_masked_lms(project: Path, backbone: str) -> None:
    outcome, folder = trained(backbone=backbone), Path("models/backbones/read")
    save(outcome.model, backbone, folder)
    assert set(pin("read", folder)["files"]) >= {"config.json", "model.safetensors", "tokenizer.json"}
    tokenizer = (folder / "tokenizer.json").read_bytes()
    assert tokenizer == Path(f"models/backbones/{backbone}/tokenizer.json").read_bytes()
    for kind, weights in ((AutoModelForMaskedLM, outcome.model), (AutoModel, outcome.model.bert)):
        loaded, found = kind.from_pretrained(folder, output_loading_info=True)
        assert {name for name in found["missing_keys"] if not name.startswith("pooler.")} == set()
        for name, weight in weights.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], weight), name


def test_a_head_is_new_only_where_the_backbone_has_none(project: Path) -> None:
    assert start("tiny", 1).head == "pretrained"
    first, same, other = (start("bare", seed) for seed in (1, 1, 2))
    assert first.head == "new"
    weights = [each.model.cls.predictions.transform.dense.weight for each in (first, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("backbone", ["tiny", "bare"])
def test_same_seed_same_bytes_another_seed_others(project: Path, backbone: str) -> None:
    def content(seed: int) -> bytes:
        save(trained(seed=seed, backbone=backbone).model, backbone, Path("read"))
        return Path("read/model.safetensors").read_bytes()

    assert content(0) == content(0) != content(1)


def test_weights_stay_in_float32_whatever_the_backbone_s_and_the_arithmetic_s(project: Path) -> None:
    path = Path("models/backbones/tiny")
    BertForMaskedLM.from_pretrained(path).to(torch.bfloat16).save_pretrained(path)
    mixed = train(MlmParams(**SETTINGS), TEXTS, Compute(torch.device("cpu"), torch.bfloat16, "test"), (7, "read"))
    weights = [each.model.bert.embeddings.word_embeddings.weight for each in (mixed, trained())]
    assert [weight.dtype for weight in weights] == [torch.float32] * 2
    assert not torch.equal(*weights) and torch.allclose(*weights, atol=0.1)


def test_a_decoder_and_a_tokenizer_without_mask_are_refused(project: Path) -> None:
    with pytest.raises(MlmError, match="backbone decoder: expected an encoder, found llama"):
        trained(backbone="decoder")
    path = Path("models/backbones/tiny/tokenizer_config.json")
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: value for key, value in config.items() if key != "mask_token"}), encoding="utf-8")
    with pytest.raises(MlmError, match="backbone tiny: its tokenizer has no mask token"):
        trained()


def test_rows_longer_than_the_backbone_reads_are_refused(project: Path) -> None:
    with pytest.raises(MlmError, match="backbone tiny: cannot read a row of 42 tokens; lower max_tokens"):
        trained(["a b " * 20], max_tokens=64)


def test_a_long_narrative_becomes_rows_of_near_equal_length(project: Path) -> None:
    made = rows(start("tiny", 0).tokenizer, ["a b c d e f a", "", "a b", "  "], 6)
    assert made["input_ids"][:] == [[2, 5, 6, 7, 8, 3], [2, 9, 10, 5, 3], [2, 5, 6, 3]]


def test_special_tokens_written_in_a_narrative_stay_text(project: Path) -> None:
    made = rows(start("tiny", 0).tokenizer, ["a [SEP] b [MASK] c", "[MASK]"], 32)
    # The toy vocabulary knows no brackets: plain, but unknown; the second narrative has nothing to guess.
    assert made["input_ids"][:] == [[2, 5, 1, 1, 1, 6, 1, 1, 1, 7, 3]]


def test_no_narrative_changes_the_structure_of_its_rows(project: Path) -> None:
    tokenizer = start("tiny", 0).tokenizer
    special = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}

    def check(text: str) -> None:
        for row in rows(tokenizer, [f"a {text}"], 64)["input_ids"]:
            assert [token for token in row if token in special] == [row[0], row[-1]] == [2, 3]

    strategies.run(strategies.reports([*tokenizer.all_special_tokens, "</s>", "<mask>"]), check, 60)


def test_no_known_token_at_all_is_refused_without_quoting_any(project: Path) -> None:
    with pytest.raises(MlmError, match=r"mlm\.read: no narrative has a token that tiny knows") as caught:
        trained(["zebra", "finch"])
    assert "zebra" not in str(caught.value)


def test_only_plain_tokens_are_guessed_and_always_one_at_least(project: Path) -> None:
    tokenizer, guessed = start("tiny", 0).tokenizer, 0
    for seed in range(50):
        masks = _Masks(tokenizer, 0.05, 1, seed)
        batch = masks([{"input_ids": [2, 5, 1, 3]}, {"input_ids": [2, 6, 7, 8, 3]}])
        labels = batch["labels"]
        assert ((labels == -100) | (labels >= 5)).all()
        assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
        guessed = min(guessed or 9, int((labels != -100).sum()))
    assert guessed == 1


def test_a_batch_is_masked_alike_whenever_it_comes(project: Path) -> None:
    masks, batch = _Masks(start("tiny", 0).tokenizer, 0.5, 1, 3), [{"input_ids": [2, *([5, 6, 7] * 9), 3]}]
    first = masks(batch)["labels"]
    other = masks([{"input_ids": [2, *([5, 6, 8] * 9), 3]}])["labels"]
    assert torch.equal(masks(batch)["labels"], first)
    assert not torch.equal(other == -100, first == -100)


def test_the_loss_is_the_one_of_transformers(project: Path) -> None:
    model, tokenizer, _ = start("tiny", 0)
    made = rows(tokenizer, TEXTS, 16)
    batch = _Masks(tokenizer, 0.3, 1, 0)([{"input_ids": row} for row in made["input_ids"][:4]])
    expected = model.eval()(**batch).loss
    trainer = _MaskTrainer(Path("scratch"), {}, [], model=model, args=arguments(Path("scratch"), True, 0))
    found = trainer.compute_loss(model, dict(batch))
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert model.base_model._forward_hooks == {}


def test_a_stopped_run_goes_on_to_the_same_weights(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        """Stands for a kill."""

    def stopping(self: Any, *parts: Any, **options: Any) -> Any:
        if self.state.global_step == 3:
            raise Stopped
        return plain(self, *parts, **options)

    whole, plain = trained(), _MaskTrainer.compute_loss
    settings = (MlmParams(**SETTINGS), TEXTS, CPU, (7, "read"), tmp_path / "checkpoints")
    with monkeypatch.context() as patched:
        patched.setattr(_MaskTrainer, "compute_loss", stopping)
        patched.setattr(checkpoints, "_SHARE", float("inf"))
        with pytest.raises(Stopped):
            train(*settings)
    resumed = train(*settings)
    assert resumed.resumed == 3
    assert resumed.curve == whole.curve
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], weight), name


def test_a_divergence_is_refused(project: Path) -> None:
    path = Path("models/backbones/tiny")
    model = BertForMaskedLM.from_pretrained(path)
    with torch.no_grad():
        model.cls.predictions.bias.fill_(float("nan"))
    model.save_pretrained(path)
    with pytest.raises(MlmError, match=r"mlm\.read: training diverged"):
        trained()


@pytest.fixture
def staged(project: Path) -> dict[str, Any]:
    """The parameters of a working directory in which the stage can run."""
    params = {
        "corpus": "invented",
        "seed": 7,
        "train": {"device": "cpu", "dtype": "float32", "threads": 1},
        "backbones": {"tiny": {}},
        "mlm": {"read": SETTINGS},
    }
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"all": {"params": list(params)}}}), encoding="utf-8")
    path = Path("data/codebooks/invented.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(CODEBOOK, sort_keys=False), encoding="utf-8")
    uids = pd.Index([f"u{number:02d}" for number in range(16)], name="uid")
    cases = pd.DataFrame({"first": TEXTS, "second": ["", "a b"] * 8}, index=uids)
    write_cases(Path("data/prepared/cases.parquet"), codebook.load(path), cases)
    return params


def run_stage(params: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("stage_pretrain_mlm", STAGE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("sys.argv", ["pretrain_mlm.py", name])
    module.main()


def card() -> Any:
    return json.loads(Path("metrics/cards/read/mlm.json").read_text(encoding="utf-8"))


def test_the_stage_reads_new_cases_only_when_asked(staged: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    new = Path("data/prepared/new_cases.parquet")
    new.write_text("no table")
    run_stage(staged, "read", monkeypatch)
    steps = card()["steps"]
    assert "new cases" not in card()["why"]
    staged["mlm"]["read"] = SETTINGS | {"new_cases": True}
    with pytest.raises(UserError, match=r"new_cases\.parquet cannot be read"):
        run_stage(staged, "read", monkeypatch)
    new.write_bytes(Path("data/prepared/cases.parquet").read_bytes())
    run_stage(staged, "read", monkeypatch)
    assert card()["steps"] == 2 * steps and "new cases" in card()["why"]


def test_the_stage_writes_a_backbone_a_curve_and_a_card(
    staged: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(staged, "read", monkeypatch)
    pin("read", Path("models/backbones/read"))
    assert Path("metrics/curves/read/mlm.tsv").read_text(encoding="utf-8").startswith("step\tpart\tloss\n1\ttraining\t")
    assert card()["transductive"] is True and card()["head"] == "pretrained" and card()["steps"] == 6
    assert card()["parameters"] == SETTINGS


def test_the_name_of_a_fetched_backbone_is_refused(staged: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    staged["mlm"]["tiny"] = SETTINGS
    before = Path("models/backbones/tiny/model.safetensors").read_bytes()
    with pytest.raises(ParamsError, match=r"mlm\.tiny: a backbone has the name tiny already"):
        run_stage(staged, "tiny", monkeypatch)
    assert Path("models/backbones/tiny/model.safetensors").read_bytes() == before


def test_a_lack_of_memory_is_not_taken_for_a_row_that_is_too_long() -> None:
    model = Mock(side_effect=torch.OutOfMemoryError)
    with pytest.raises(torch.OutOfMemoryError):
        _try_longest(Mock(), model, {"input_ids": [[1, 2]]})
