"""Dry runs of trainings and predictions: how their parts follow from the settings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support import ROOT
from transformers import AutoConfig

from abstractor.base.params import Params
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.handoff import trials
from abstractor.handoff.trials import Trial
from abstractor.training.ar.settings import ArModel
from abstractor.training.sc.settings import ScModel

SIZES = {"vocab_size": 300, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
SIZES |= {"num_attention_heads": 4, "pad_token_id": 0}
PARAMS = Params(ROOT / "params.yaml", ROOT / "dvc.yaml")
BF16 = torch.bfloat16


@pytest.fixture(scope="module")
def book() -> Codebook:
    return codebook.load(Path(ROOT / "data/codebooks/demo.yaml"))


def classifier(**changes: Any) -> ScModel:
    few = {"max_tokens": 64, "micro_tokens": 512}
    return PARAMS.get("models.sc1_minilm", ScModel).model_copy(update=few | changes)


def language_model(**changes: Any) -> ArModel:
    design = PARAMS.get("models.ar_smollm2", ArModel)
    few = {"max_tokens": 64, "micro_tokens": 512, "lora": design.lora.model_copy(update={"rank": 2})}
    return design.model_copy(update=few | changes)


def learned(book: Codebook, form: str = "concatenated", rdrop: float = 0.0, **changes: Any) -> Trial:
    return trials.train_sc(classifier(**changes), form, rdrop, AutoConfig.for_model("bert", **SIZES), book, BF16)


def tuned(kind: str = "llama", vocabulary: int = 300, **changes: Any) -> Trial:
    config = AutoConfig.for_model(kind, **SIZES | {"vocab_size": vocabulary})
    return trials.train_ar(language_model(**changes), config, [5, 7, 9], BF16)


def test_weights_gradients_and_moments_of_a_training_in_full(book: Codebook) -> None:
    trial, averaged = learned(book), learned(book, ema=0.9)

    assert trial.weights == pytest.approx(trial.optimiser, rel=0.05)  # 4 + 4 bytes, twice 4 bytes
    assert averaged.optimiser == pytest.approx(1.5 * trial.optimiser)
    assert trial.memory > trials.costs.CUDA_CONTEXT + trial.weights + trial.optimiser


def test_8_bit_adam_takes_less(book: Codebook) -> None:
    assert learned(book, optimizer="adamw_8bit").memory < learned(book).memory


def test_r_drop_halves_the_cases_of_a_micro_batch(book: Codebook) -> None:
    once, twice = learned(book), learned(book, rdrop=1.0)

    assert (once.cases, twice.cases) == (7, 3)
    assert twice.run.flops == pytest.approx(6 / 7 * once.run.flops, rel=0.02)


def test_queries_of_variables_run_dry_too(book: Codebook) -> None:
    mean, labels = learned(book, pooling="mean"), learned(book, pooling="labels")

    assert labels.cases == mean.cases
    assert labels.run.flops > mean.run.flops and labels.optimiser > mean.optimiser


def test_each_further_sample_of_dropout_takes_the_heads_flops_again(book: Codebook) -> None:
    once, more = (learned(book, rdrop=1.0, pooling="mean", head_samples=samples) for samples in (1, 8))

    passes = 2 * once.cases
    assert more.run.flops - once.run.flops == 7 * passes * 3 * 2 * SIZES["hidden_size"] * len(book.columns)


@pytest.mark.parametrize("form", ["apart", "masked"])
def test_the_other_forms_run_dry_too(book: Codebook, form: str) -> None:
    trial = learned(book, form)

    assert trial.cases == (3 if form == "apart" else 7)
    assert trial.activations > 0


def test_frozen_layers_have_no_gradients(book: Codebook) -> None:
    assert learned(book, frozen_layers=2).optimiser < 0.2 * learned(book).optimiser


def test_scoring_in_float16_counts_autocasts_copies_of_the_weights(book: Codebook) -> None:
    def scored(dtype: torch.dtype) -> Trial:
        config = AutoConfig.for_model("bert", **SIZES | {"hidden_size": 256, "intermediate_size": 2048})
        return trials.score_sc(classifier(), "concatenated", config, book, dtype, 16, 16)

    whole, half = scored(torch.float32), scored(torch.float16)
    assert half.activations - whole.activations > 0.4 * half.weights


def test_an_adapters_frozen_weights_have_neither_gradients_nor_moments() -> None:
    trial = tuned()

    assert trial.optimiser < trial.weights / 2
    assert trial.cases == 4
    assert tuned(rdrop=1.0).cases == 2


def test_eager_attention_takes_more_than_grouped_questions() -> None:
    sizes = {"max_tokens": 256, "micro_tokens": 1024}
    assert tuned("gemma2", **sizes).activations > tuned("llama", **sizes).activations


def test_a_loss_over_the_vocabulary_takes_more_than_one_over_answers() -> None:
    answers, vocabulary = (tuned(vocabulary=50_000, loss=loss).activations for loss in ("answers", "vocabulary"))
    assert vocabulary > 1.5 * answers


def test_quantised_weights_take_less_and_one_row_a_question_runs_dry() -> None:
    assert tuned(quantize="nf4").memory < tuned(quantize="int8").memory < tuned().memory
    config = AutoConfig.for_model("llama", **SIZES)
    trial = trials.score_ar(language_model(layout="separate"), config, 64, [5, 7], torch.float16, 512)
    assert trial.cases == 3
