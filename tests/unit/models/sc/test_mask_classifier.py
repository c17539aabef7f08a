"""SC3: rows that end with all variables, answers at their masks, by a head that is pretrained or new."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer, XLMRobertaTokenizer

from abstractor.base.errors import RunError
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, autocast
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.columns import Layout, probabilities
from abstractor.models.sc.forms import FORMS, load
from abstractor.models.sc.mask_classifier import MaskedClassifier
from abstractor.models.sc.mask_prompt import verbalizer
from abstractor.models.sc.reading import VARIANT, Reading, read, save
from abstractor.models.sc.rows import micro_batch, tokenise
from abstractor.models.shared.batching import padded
from abstractor.models.shared.wording import in_words
from abstractor.predicting.sc import predictor
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels
from abstractor.training.sc.settings import ScModel
from abstractor.training.sc.train import optimiser_groups, train

CPU = Compute(torch.device("cpu"), torch.float32, "test")
HALF = Compute(torch.device("cpu"), torch.bfloat16, "test")
CLS, SEP, NOTE, NO, SAD, HOUSE, PARK, MASK, YES, A, B, C, PLACE, MOOD, STREET = (
    2,
    3,
    8,
    9,
    10,
    11,
    12,
    *range(13, 20),
    21,
)
COLON, SEMICOLON = 6, 20
OFFICER, CORONER = [4, COLON], [5, COLON]
PROMPT = [NOTE, MASK, PLACE, COLON, A, HOUSE, SEMICOLON, B, STREET, SEMICOLON, C, PARK, MASK, MOOD, MASK, SEP]

SHAPE: dict[str, Any] = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
SHAPE |= {"num_attention_heads": 2, "max_position_embeddings": 96, "pad_token_id": 0}
DEBERTA: dict[str, Any] = {"relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm"}
DEBERTA |= {"share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "deberta-v2": DEBERTA,
    "modernbert": {"local_attention": 4, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
    "longformer": {"attention_window": 4},
    "big_bird": {"block_size": 3, "num_random_blocks": 1, "sep_token_id": 3},
    "electra": {"embedding_size": 8},
}
"""Model type -> what its tiny config needs."""
TRANSFORM = ("dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias")
TARGETS = {"deberta-v2": ["query_proj", "value_proj"], "modernbert": ["Wqkv"]}


def learned(codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame) -> Examples:
    """The cases, all of them coded."""
    return Examples.of_coded(cases, of_labels(codebook, labels))


def adapter(kind: str) -> dict[str, Any]:
    return {"rank": 2, "alpha": 4, "dropout": 0.0, "targets": TARGETS.get(kind, ["query", "value"])}


def write(kind: str, auto: Any = AutoModelForMaskedLM, **changes: Any) -> None:
    """Put a random model of a family, with its head, where the library looks for the backbone `kind`."""
    torch.manual_seed(0)
    model = auto.from_config(AutoConfig.for_model(kind, **SHAPE | FAMILIES[kind] | changes))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))  # biases begin at 0, which would hide a lost one
    model.save_pretrained(Path("models/backbones") / kind)
    AutoTokenizer.from_pretrained("models/backbones/tiny").save_pretrained(Path("models/backbones") / kind)


def fresh(settings: dict[str, Any], codebook: Codebook, kind: str = "tiny", **changes: Any) -> MaskedClassifier:
    torch.manual_seed(5)
    params = ScModel(**settings | {"backbone": kind} | changes)
    return FORMS["masked"].build(params, codebook)


def batch(*narratives: list[int]) -> dict[str, Any]:
    rows = micro_batch([[[CLS, *tokens, SEP, *PROMPT]] for tokens in narratives], [[0]] * len(narratives), 0)
    del rows["targets"]
    return rows


def written_out(logits: torch.Tensor) -> torch.Tensor:
    """The five outputs from vocabulary logits at the three masks; (B, 3, vocabulary) -> (B, 5)."""
    note, place, mood = logits.unbind(1)
    yes_or_no = [(mask[:, YES] - mask[:, NO]).unsqueeze(1) for mask in (note, mood)]
    return torch.cat([yes_or_no[0], place[:, [A, B, C]], yes_or_no[1]], dim=1)


def trained(
    settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame, compute: Compute = CPU
) -> MaskedClassifier:
    """A model after two steps, saved as models/m/0."""
    params = ScModel(**settings | {"max_tokens": 48, "micro_tokens": 400, "epochs": 1, "batch_size": 6})
    outcome = train(params, 1.0, "masked", codebook, learned(codebook, cases, labels), compute, (7, "m", 0))
    assert outcome.steps == 2 and isinstance(outcome.model, MaskedClassifier)
    save(outcome.model, Reading.of(params, "masked", codebook), Path("models/m/0"))
    return outcome.model.eval()


def predicted(codebook: Codebook, cases: pd.DataFrame, compute: Compute = CPU) -> torch.Tensor:
    """Probabilities by what models/m/0 holds; each case alone, since padding changes a BigBird's sparse rows."""
    tables = predictor(codebook, Path("models/m/0"), compute, 1).predict([cases], len(cases), "m/0")
    return torch.tensor(pd.concat(tables).to_numpy())


def remembered(
    model: MaskedClassifier, kind: str, codebook: Codebook, cases: pd.DataFrame, compute: Compute = CPU
) -> torch.Tensor:
    """Probabilities by the model in memory, each case alone, padded as the pipeline does: BigBird's depend on it."""
    tokenizer = load_tokenizer(kind)
    builder, found = FORMS["masked"].rows(tokenizer, codebook, 48), []
    for item in tokenise(tokenizer, codebook, cases, None):
        case = builder.rows(item["narratives"])
        rows = micro_batch([case], [[0]], 0, min(padded(max(map(len, case))), builder.max_tokens))
        with torch.inference_mode(), autocast(compute):
            found.append(model(**{name: rows[name] for name in ("input_ids", "attention_mask", "case", "slot")}))
    return probabilities(Layout.of(codebook), torch.cat(found))


# Rows


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DepressedMood", "depressed mood"),
        ("eye_injury", "eye injury"),
        ("WeaponType1", "weapon type 1"),
        ("ADHDNote", "adhd note"),
        ("HistoryICD10", "history icd 10"),
    ],
)
def test_a_name_is_read_as_words(name: str, words: str) -> None:
    assert in_words(name) == words


def test_a_row_is_the_narratives_and_every_variable_with_a_mask(project: Path, codebook: Codebook) -> None:
    builder = FORMS["masked"].rows(load_tokenizer("tiny"), codebook, 48)
    narratives = [CLS, *OFFICER, NOTE, SAD, SEP, *CORONER, HOUSE, SEP]
    assert builder.rows([[NOTE, SAD], [HOUSE]]) == [[*narratives, *PROMPT]]
    assert builder.rows([[NOTE], [HOUSE]], swapped=True) == [[CLS, *CORONER, HOUSE, SEP, *OFFICER, NOTE, SEP, *PROMPT]]


def test_only_narratives_are_cut_and_the_row_is_full(project: Path, codebook: Codebook) -> None:
    builder = FORMS["masked"].rows(load_tokenizer("tiny"), codebook, 39)
    (row,) = builder.rows([[NOTE] * 30 + [SAD] * 30, [HOUSE, PARK]])
    assert row == [CLS, *OFFICER, *[NOTE] * 7, *[SAD] * 7, SEP, *CORONER, HOUSE, PARK, SEP, *PROMPT]
    assert len(row) == 39


def test_variables_that_leave_no_room_are_refused(project: Path, codebook: Codebook) -> None:
    tokenizer = load_tokenizer("tiny")
    assert FORMS["masked"].rows(tokenizer, codebook, 39).closing == PROMPT
    with pytest.raises(RunError, match=r"the variables take 16 tokens of a row; expected 39 or more.*found 38"):
        FORMS["masked"].rows(tokenizer, codebook, 38)


@pytest.mark.parametrize("unigram", [False, True])
def test_a_mask_written_in_a_report_is_no_mask(project: Path, codebook: Codebook, unigram: bool) -> None:
    """A Unigram tokenizer that lists its mask among its pieces finds it even where special tokens are split."""
    tokenizer = load_tokenizer("tiny")
    if unigram:
        pieces = [
            "<s>",
            "<pad>",
            "</s>",
            "<unk>",
            "\u2581",
            "\u2581yes",
            "\u2581no",
            *"abcdefghijklmnopqrstuvwxyzABC<>:;12/",
        ]
        tokenizer = XLMRobertaTokenizer(vocab=[(piece, -float(len(pieces[0]))) for piece in pieces] + [("<mask>", 0.0)])
    text = f"note {tokenizer.mask_token} {tokenizer.sep_token} note"
    cases = pd.DataFrame({"Officer": [text], "Coroner": [""]}, index=pd.Index(["a"], name="uid"))
    (narratives,) = tokenise(tokenizer, codebook, cases, None)["narratives"]
    assert tokenizer.mask_token_id not in narratives[0] and tokenizer.sep_token_id not in narratives[0]
    assert unigram or len(narratives[0]) == 8  # the words, and each mark in three pieces
    (row,) = FORMS["masked"].rows(tokenizer, codebook, 150).rows(narratives)
    assert row.count(tokenizer.mask_token_id) == 3


# Answers


def test_words_answer_in_the_order_of_the_columns(project: Path, codebook: Codebook) -> None:
    words = verbalizer(load_tokenizer("tiny"), codebook)
    assert words.mask == MASK
    assert words.variables == [0, 1, 1, 1, 2]
    assert words.tokens == [YES, A, B, C, YES]
    assert words.against == [NO, -1, -1, -1, NO]


@pytest.mark.parametrize("lost", ["yes", "B"])
def test_words_without_a_token_of_their_own_are_refused(project: Path, codebook: Codebook, lost: str) -> None:
    tokenizer = load_tokenizer("tiny")
    path = Path("models/backbones/tiny/tokenizer.json")
    path.write_text(path.read_text().replace(f'"{lost}":', '"other":'))
    with pytest.raises(RunError, match="no single token of its own for each of yes, no, A, B, C"):
        verbalizer(load_tokenizer("tiny"), codebook)
    assert verbalizer(tokenizer, codebook)


def test_a_backbone_without_masks_is_refused(project: Path, codebook: Codebook, settings: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="llama has no masked-LM head"):
        FORMS["masked"].build(ScModel(**settings | {"backbone": "decoder"}), codebook)
    tokenizer = load_tokenizer("tiny")
    tokenizer.mask_token = None
    with pytest.raises(RunError, match="no mask token"):
        FORMS["masked"].rows(tokenizer, codebook, 48)


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_answers_are_those_of_the_full_model_at_the_masks(
    project: Path, settings: dict[str, Any], codebook: Codebook, kind: str, adapted: bool
) -> None:
    write(kind)
    model = fresh(settings, codebook, kind, max_tokens=64, lora=adapter(kind) if adapted else None).eval()
    rows = batch([NOTE] * 20 + [SAD] * 9, [HOUSE])
    masks = rows["input_ids"] == MASK
    more = {"global_attention_mask": masks.long()} if kind == "longformer" else {}
    for mask in more.values():
        mask[:, 0] = 1
    plain = AutoModelForMaskedLM.from_pretrained(Path("models/backbones") / kind).eval()
    seen: list[tuple[int, ...]] = []
    whole = model.backbone.get_base_model() if adapted else model.backbone
    whole.get_output_embeddings().register_forward_hook(lambda *call: seen.append(tuple(call[2].shape)))
    with torch.inference_mode():
        logits = plain(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"], **more).logits
        found = model(**rows)
    expected = written_out(logits[masks].unflatten(0, (2, 3)))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert model.origin == "pretrained"
    assert seen == [(2, 3, 32)]


def test_other_rows_and_padding_change_nothing(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    model = fresh(settings, codebook).eval()
    with torch.inference_mode():
        together = model(**batch([NOTE] * 20, [HOUSE]))
        alone = [model(**batch(tokens))[0] for tokens in ([NOTE] * 20, [HOUSE])]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=0)


def test_longformers_masks_see_the_whole_row(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    """One layer with a window of two tokens to each side: without, the first narrative token is out of sight."""
    write("longformer", num_hidden_layers=1)
    model = fresh(settings, codebook, "longformer", max_tokens=64).eval()
    with torch.inference_mode():
        one, other = (model(**batch([first, *[NOTE] * 20])) for first in (SAD, PARK))
    assert ((one - other).abs() > 1e-6).all()


# Heads


def test_a_bare_backbone_gets_a_new_head_that_decodes_by_its_embeddings(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    model = fresh(settings, codebook)
    assert model.origin == "new"
    decoder = model.backbone.get_output_embeddings().weight
    assert decoder is model.backbone.get_input_embeddings().weight
    names = {name.removeprefix("cls.predictions.") for name, _ in model.parts()[1]}
    assert names == {"bias", *(f"transform.{part}" for part in TRANSFORM)}
    dense = dict(model.parts()[1])["cls.predictions.transform.dense.weight"]
    again = dict(fresh(settings, codebook).parts()[1])["cls.predictions.transform.dense.weight"]
    assert torch.equal(dense, again)
    torch.manual_seed(6)
    other = FORMS["masked"].build(ScModel(**settings), codebook)
    assert not torch.equal(dense, dict(other.parts()[1])["cls.predictions.transform.dense.weight"])


def test_a_new_head_is_tied_even_where_the_config_ties_nothing(
    project: Path, settings: dict[str, Any], codebook: Codebook
) -> None:
    write("bert", AutoModel, tie_word_embeddings=False)
    model = fresh(settings, codebook, "bert")
    assert model.origin == "new"
    assert model.backbone.get_output_embeddings().weight is model.backbone.get_input_embeddings().weight


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ["tiny", "bert"])
def test_only_a_new_heads_own_weights_learn_at_the_heads_rate(
    project: Path, settings: dict[str, Any], codebook: Codebook, kind: str, adapted: bool
) -> None:
    write("bert")
    params = ScModel(**settings | {"backbone": kind, "lora": adapter(kind) if adapted else None})
    model = fresh(settings, codebook, kind, lora=adapter(kind) if adapted else None)
    rates = {id(weight): group["lr"] for group in optimiser_groups(model, params) for weight in group["params"]}
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert rates.keys() == {id(weight) for weight in trained.values()}
    fast = {name for name, weight in trained.items() if rates[id(weight)] == 1e-2}
    assert len(fast) == (5 if kind == "tiny" else 0)
    assert all("cls.predictions" in name for name in fast)
    assert all(("lora" in name) != (name in fast) for name in trained) or not adapted


def test_debertas_own_head_is_found(project: Path, settings: dict[str, Any], codebook: Codebook) -> None:
    """DeBERTa-v3's published weights name their head as DeBERTa did, their config does not say so."""
    write("deberta-v2", legacy=False, tie_word_embeddings=False)
    folder = Path("models/backbones/deberta-v2")
    rows = batch([NOTE, SAD])
    with torch.inference_mode():
        logits = AutoModelForMaskedLM.from_pretrained(folder).eval()(rows["input_ids"], rows["attention_mask"]).logits
    config = folder / "config.json"
    config.write_text(
        config.read_text()
        .replace('"legacy": false', '"legacy": true')
        .replace('embeddings": false', 'embeddings": true')
    )
    model = fresh(settings, codebook, "deberta-v2").eval()
    assert model.origin == "pretrained"
    with torch.inference_mode():
        found = model(**rows)
    torch.testing.assert_close(found, written_out(logits[rows["input_ids"] == MASK].unsqueeze(0)), atol=1e-5, rtol=0)
    save(model, Reading.of(ScModel(**settings), "masked", codebook), Path("models/m/0"))
    with torch.inference_mode():
        assert torch.equal(load(Path("models/m/0"), read(Path("models/m/0"), codebook), codebook)(**rows), found)


# Training, saving, prediction


@pytest.mark.parametrize(
    ("adapted", "compute"), [(False, CPU), (True, CPU), (False, HALF)], ids=["full", "lora", "half"]
)
@pytest.mark.parametrize(("kind", "head"), [("tiny", "new"), *((kind, "pretrained") for kind in FAMILIES)])
def test_two_steps_change_predictions_and_a_saved_model_predicts_the_same(
    project: Path,
    settings: dict[str, Any],
    codebook: Codebook,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    kind: str,
    head: str,
    adapted: bool,
    compute: Compute,
) -> None:
    if kind != "tiny":
        write(kind)
    changes = {"backbone": kind, "lora": adapter(kind) if adapted else None, "learning_rate": 1e-2}
    model = trained(settings | changes, codebook, cases, labels, compute)
    assert model.origin == head
    assert {path.suffix for path in Path("models/m/0").iterdir()} == {".json", ".safetensors"}
    assert Path("models/m/0/head.safetensors").exists() == (adapted and head == "new")

    found = predicted(codebook, cases, compute)
    near = 1e-5 if compute is CPU else 2e-2
    torch.testing.assert_close(found, remembered(model, kind, codebook, cases, compute), atol=near, rtol=0)
    before = remembered(fresh(settings, codebook, kind, max_tokens=48).eval(), kind, codebook, cases, compute)
    assert (found - before).abs().max() > 2 * near


@pytest.mark.parametrize("kind", ["tiny", "modernbert"])
def test_a_folder_of_all_weights_loads_with_plain_transformers(
    project: Path, settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame, kind: str
) -> None:
    if kind != "tiny":
        write(kind)
    model = trained(settings | {"backbone": kind}, codebook, cases, labels)
    plain, found = AutoModelForMaskedLM.from_pretrained("models/m/0", variant=VARIANT, output_loading_info=True)
    assert not found["missing_keys"] and not found["unexpected_keys"]
    rows = batch([NOTE, SAD])
    with torch.inference_mode():
        logits = plain.eval()(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]).logits
        torch.testing.assert_close(written_out(logits[rows["input_ids"] == MASK].unsqueeze(0)), model(**rows))


def test_training_learns(
    project: Path, settings: dict[str, Any], codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    params = ScModel(**settings | {"max_tokens": 48, "micro_tokens": 400, "epochs": 80, "swap": 0.5})
    outcome = train(params, 0.5, "masked", codebook, learned(codebook, cases, labels), CPU, (7, "m", 0))
    save(outcome.model, Reading.of(params, "masked", codebook), Path("models/m/0"))
    assert ((predicted(codebook, cases)[:, 0] > 0.5).numpy() == (labels["Note"].to_numpy() == 1)).all()


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
def test_recomputed_activations_give_the_same_gradients(
    project: Path, settings: dict[str, Any], codebook: Codebook, adapted: bool
) -> None:
    found = []
    for checkpointing in (False, True):
        lora = adapter("tiny") if adapted else None
        model = fresh(settings, codebook, gradient_checkpointing=checkpointing, lora=lora).train()
        torch.manual_seed(1)
        model(**batch([NOTE] * 9, [SAD])).square().sum().backward()
        found.append({name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None})
    assert found[0].keys() == found[1].keys() and len(found[0]) > 5
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)
