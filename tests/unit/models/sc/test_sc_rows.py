import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import strategies as st
from support import strategies
from transformers import XLMRobertaTokenizer

from abstractor.data.cases.codebook import Codebook
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.forms import FORMS
from abstractor.models.sc.rows import Augmentation, collator, micro_batch, tokenise
from abstractor.models.shared.batching import alignment
from abstractor.models.shared.tokenizers import plain_tokens
from abstractor.training.lessons.targets import of_labels

CLS, SEP, WORD = 2, 3, 8
OFFICER, CORONER = [4, 6], [5, 6]


@pytest.fixture
def tokenizer(project: object) -> object:
    return load_tokenizer("tiny")


def test_concatenated_rows_hold_both_narratives_with_their_headings(tokenizer: object, codebook: Codebook) -> None:
    builder = FORMS["concatenated"].rows(tokenizer, codebook, 32)
    assert builder.rows([[8, 9], [11]]) == [[CLS, *OFFICER, 8, 9, SEP, *CORONER, 11, SEP]]


def test_swapped_rows_start_with_the_last_narrative(tokenizer: object, codebook: Codebook) -> None:
    builder = FORMS["concatenated"].rows(tokenizer, codebook, 32)
    assert builder.rows([[8, 9], [11]], swapped=True) == [[CLS, *CORONER, 11, SEP, *OFFICER, 8, 9, SEP]]


def test_apart_makes_one_row_for_each_narrative_that_is_not_empty(tokenizer: object, codebook: Codebook) -> None:
    builder = FORMS["apart"].rows(tokenizer, codebook, 32)
    assert builder.rows([[8], [11]]) == [[CLS, *OFFICER, 8, SEP], [CLS, *CORONER, 11, SEP]]
    assert builder.rows([[], [11]]) == [[CLS, *CORONER, 11, SEP]]


def test_long_rows_lose_the_middle_of_the_longer_narrative(tokenizer: object, codebook: Codebook) -> None:
    builder = FORMS["concatenated"].rows(tokenizer, codebook, 15)
    (row,) = builder.rows([[10, 11, 12, 13, 14, 15, 16, 17], [20, 21]])
    assert len(row) == 15
    assert row == [CLS, *OFFICER, 10, 11, 12, 15, 16, 17, SEP, *CORONER, 20, 21, SEP]


def test_special_tokens_in_a_narrative_stay_plain_text(
    tokenizer: object, codebook: Codebook, cases: pd.DataFrame
) -> None:
    hostile = pd.DataFrame({"Officer": ["note [SEP] note"], "Coroner": [""]}, index=pd.Index(["a"], name="uid"))
    (narratives,) = tokenise(tokenizer, codebook, hostile, None)["narratives"]
    assert SEP not in narratives[0]
    assert narratives[0].count(8) == 2
    assert len(narratives[0]) == 5, "a word, a bracket, SEP, a bracket, a word: split, not lost"


@pytest.mark.parametrize("form", FORMS)
def test_no_narrative_changes_the_structure_of_its_rows(project: object, codebook: Codebook, form: str) -> None:
    word_level, unigram = load_tokenizer("tiny"), unigram_tokenizer()

    def check(reports: tuple[str, str]) -> None:
        for tokenizer in (word_level, unigram):
            special = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
            builder = FORMS[form].rows(tokenizer, codebook, 200)
            narratives = [plain_tokens(tokenizer, [report])[0] for report in reports]
            found = [[token for token in row if token in special] for row in builder.rows(narratives)]
            usual = builder.rows([[WORD] if tokens else [] for tokens in narratives])
            assert found == [[token for token in row if token in special] for row in usual]

    tokens = [*word_level.all_special_tokens, *unigram.all_special_tokens, "<|im_end|>"]
    strategies.run(st.tuples(strategies.reports(tokens), strategies.reports(tokens)), check, 60)


def unigram_tokenizer() -> XLMRobertaTokenizer:
    """Lists its special tokens among its pieces, so it finds them even where special tokens are split."""
    plain = ["\u2581", "\u2581yes", "\u2581no", *"abcdefghijklmnopqrstuvwxyzABC<>:;12/|_[]"]
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    return XLMRobertaTokenizer(vocab=[*special[:4], *((piece, -1.0 - len(piece)) for piece in plain), special[4]])


@pytest.mark.parametrize("form", FORMS)
def test_a_case_without_any_token_has_a_row_all_the_same(project: object, codebook: Codebook, form: str) -> None:
    builder = FORMS[form].rows(load_tokenizer("tiny"), codebook, 60)
    assert len(builder.rows([[], []])) == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("words", [1, 300, 200_000])
def test_narratives_of_any_length_fit(project: object, codebook: Codebook, form: str, words: int) -> None:
    tokenizer = load_tokenizer("tiny")
    long = pd.DataFrame({"Officer": ["note " * words], "Coroner": ["sad " * words]}, index=pd.Index(["a"], name="uid"))
    (narratives,) = tokenise(tokenizer, codebook, long)["narratives"]
    assert [*map(len, narratives)] == [words, words]
    rows = FORMS[form].rows(tokenizer, codebook, 60).rows(narratives)
    assert all(len(row) <= 60 for row in rows) and (words == 1 or max(map(len, rows)) > 57)


def test_targets_are_joined_by_uid_and_lose_nothing(
    tokenizer: object, codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    soft = of_labels(codebook, labels)
    soft.loc["c01", "Place=1"] = 0.3
    items = list(tokenise(tokenizer, codebook, cases, soft.sample(frac=1, random_state=0)[list(soft)[::-1]]))
    batch = micro_batch([[[5]] for _ in items], [item["targets"] for item in items], pad=0)
    assert batch["targets"].dtype == torch.float32
    np.testing.assert_array_equal(batch["targets"], soft)


def test_cases_to_predict_have_no_targets(tokenizer: object, codebook: Codebook, cases: pd.DataFrame) -> None:
    assert np.isnan(tokenise(tokenizer, codebook, cases, None)["targets"]).tolist() == [[True] * 5] * 12


def test_micro_batches_pad_and_remember_whose_row_is_whose() -> None:
    batch = micro_batch([[[5, 6]], [[7], [8, 9, 10]]], [[0], [1]], pad=1)
    assert batch["input_ids"].tolist() == [[5, 6, 1], [7, 1, 1], [8, 9, 10]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 1]]
    assert batch["case"].tolist() == [0, 1, 1]
    assert batch["slot"].tolist() == [0, 0, 1]


def test_collator_keeps_to_its_budget_and_loses_no_case(tokenizer: object, codebook: Codebook) -> None:
    builder = FORMS["apart"].rows(tokenizer, codebook, 32)
    items = [{"narratives": [[8] * n, [9]], "rewritten": [], "targets": [n]} for n in (1, 20, 2, 19, 3)]
    batches = collator(builder, 120, 1)(items)
    assert sorted(int(target) for batch in batches for target in batch["targets"]) == [1, 2, 3, 19, 20]
    assert all(batch["input_ids"].numel() <= 120 for batch in batches)
    assert len(batches) < 5
    # Twice the passes, half the cases a batch.
    assert len(collator(builder, 120, 2)(items)) > len(batches)


def test_rows_are_padded_to_what_cuda_wants() -> None:
    batch = micro_batch([[[5, 6]], [[7], [8, 9, 10]]], [[0], [1]], pad=1, multiple=alignment("cuda"))

    assert batch["input_ids"].shape == (3, 8)
    assert batch["input_ids"][2].tolist() == [8, 9, 10, 1, 1, 1, 1, 1]
    assert batch["attention_mask"].sum(dim=1).tolist() == [2, 1, 3]
    assert alignment("cpu") == 1


def test_a_case_is_read_in_its_paraphrase_where_it_has_one(
    tokenizer: object, codebook: Codebook, cases: pd.DataFrame, labels: pd.DataFrame
) -> None:
    soft, other = of_labels(codebook, labels), cases.iloc[[1]].assign(Officer="sad sad", Coroner="")
    items = list(tokenise(tokenizer, codebook, cases.iloc[:2], soft, other))
    assert [item["rewritten"] for item in items] == [[], [[10, 10], []]]
    builder = FORMS["concatenated"].rows(tokenizer, codebook, 32)
    for share, read in ((0.0, items[1]["narratives"]), (1.0, [[10, 10], []])):
        (batch,) = collator(builder, 500, 1, Augmentation(rewrite=share))(items)
        (row,) = builder.rows(read)
        assert batch["input_ids"][1, : len(row)].tolist() == row
