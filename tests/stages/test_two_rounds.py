"""A second round by its real commands: a writer makes cases, the first round's members label them, students learn.

They learn from corrected labels and paraphrases too, and one starts from an encoder that read the narratives.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import inputs, tiny

from abstractor.data.cases import codebook
from abstractor.training.lessons import examples

pytestmark = pytest.mark.stage

REPORTS = (
    "family called early then waited outside until somebody opened up",
    "history unclear and nothing further noted during exam that same evening",
)

MLM = {"backbone": "encoder", "seed": 0, "new_cases": True, "max_tokens": 96, "epochs": 1, "batch_size": 16}
MLM |= {"learning_rate": 1e-3, "warmup": 0.1, "mask_share": 0.15, "weight_decay": 0.01}


def write_writer(folder: Path) -> None:
    """A language model that after a colon writes one of two reports: a table of what follows each token, no more.

    Its layers add nothing, so a token's logits are its own embedding against the heads, which hold the embedding of the
    token before. One answer in four has both reports in their order; the others are malformed.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    book = codebook.load(tiny.ROOT / "data/codebooks/nvdrs_youth.yaml")
    first, second = (f"{text[:1].upper()}{text[1:]}:" for text in book.narratives.values())
    lines = [f"{first} {REPORTS[0]}\n", f"{second} {REPORTS[1]}"]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 2000, "special_tokens": ["<|end|>"], "initial_alphabet": alphabet, "show_progress": False}
    raw.train_from_iterator(["".join(lines)] * 3, trainers.BpeTrainer(**options))
    fast = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<|end|>", eos_token="<|end|>")
    chain = [*fast("".join(lines))["input_ids"], fast.eos_token_id]
    colon = fast(":")["input_ids"][0]
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": len(fast), "hidden_size": 64, "intermediate_size": 8}
    shape |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 8192}
    model = LlamaForCausalLM(LlamaConfig(**shape, eos_token_id=fast.eos_token_id, pad_token_id=fast.pad_token_id))
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(torch.randn(len(fast), 64), dim=1)
        model.model.embed_tokens.weight.copy_(embeddings)
        model.lm_head.weight.zero_()
        for token, following in set(pairwise(chain)):
            model.lm_head.weight[following] += 10 * embeddings[token]
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    choices = {token: {b for a, b in pairwise(chain) if a == token} for token in chain}
    assert [token for token, following in choices.items() if len(following) > 1] == [colon]
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


@pytest.fixture
def taught(copy: Callable[[], tiny.Project]) -> tiny.Project:
    """The finished project after its second round: a classifier and a language model that learned from made cases."""
    project = copy()
    write_writer(project.folder / "tiny/scribe")
    params = project.params()
    params["backbones"]["scribe"] = tiny.backbone(project.folder / "tiny/scribe")
    params["writers"]["smollm2"] |= {"backbone": "scribe", "engine": "transformers", "max_new_tokens": 64}
    params |= {"rounds": [1], "making": ["smollm2"], "make_cases": params["make_cases"] | {"cases": 12}}
    params |= {"correcting": [0, 1], "rewriting": ["smollm2"], "rewrite": params["rewrite"] | {"least_share": 0.0}}
    params["teachers_sc"] = [{"model": "sc1_minilm", "round": 1}]
    params["teachers_ar"] = [{"model": "ar_smollm2", "round": 1}]
    for student, like in (("sc1_student", "sc1_minilm"), ("ar_student", "ar_smollm2")):
        learns = {"labels": "corrected", "rewrites": "smollm2", "made": 1}
        params["models"][student] = params["models"][like] | {"learns": learns, "rewrite": 0.5}
    params["mlm"] = {"encoder_mlm": MLM}
    params["models"]["sc1_student"]["backbone"] = "encoder_mlm"
    params |= {"sc_1": ["sc1_minilm", "sc1_student"], "sc": [*params["sc"], "sc1_student"]}
    params["ar"] = ["ar_smollm2", "ar_student"]
    project.write_params(params)
    return project


def test_a_second_round(taught: tiny.Project) -> None:
    ran = taught.ran("dvc", "repro")
    first = {"train_sc_1@sc1_minilm-0", "train_sc_2@sc2_minilm-0", "train_ar@ar_smollm2-0", "prepare", "baseline"}
    assert not first & set(ran), "the first round is as it was"
    assert {f"label_cases@1-{fold}" for fold in (0, 1)} | {"correct_labels@0", "rewrite@smollm2"} <= set(ran)
    assert {"label_made_sc@teacher0-0", "label_made_ar@teacher0-1", "train_sc_1@sc1_student-1"} <= set(ran)
    assert taught.ran("dvc", "repro") == []

    book = codebook.load(tiny.ROOT / "data/codebooks/nvdrs_youth.yaml")
    folds = pd.read_parquet(taught.folder / "data/prepared/folds.parquet").set_index("uid")["fold"]
    for fold in (0, 1):
        counts = json.loads((taught.folder / f"metrics/made/smollm2/{fold}.json").read_text(encoding="utf-8"))
        assert counts["asked"] in (12, None)
        made = pd.read_parquet(taught.folder / f"data/lessons/cases/smollm2/{fold}.parquet")
        assert 0 < len(made) < 10
        assert counts["kept"] is None, "a small count is withheld"
        assert (made[["source_1", "source_2", "source_3"]].apply(lambda uids: uids.map(folds)) == fold).all(axis=None)
        learned = examples.read(taught.folder / f"data/training/ar_student/{1 - fold}.parquet", book)
        assert learned.made.tolist() == made["uid"].tolist()
        assert len(learned.rewritten) > 0
        assert (folds[learned.coded] == fold).all()
        said = [
            pd.read_parquet(taught.folder / f"data/predictions/made/1/{1 - fold}/{name}.parquet").set_index("uid")
            for name in ("sc1_minilm", "ar_smollm2")
        ]
        mean = (said[0].astype(float) + said[1].astype(float)) / 2
        pd.testing.assert_frame_equal(learned.targets.loc[mean.index].astype(float), mean, atol=1e-6)
    scores = json.loads((taught.folder / "metrics/ensemble.json").read_text(encoding="utf-8"))
    assert {"sc1_student", "ar_student"} <= set(scores["systems"])

    going_on = ("label_made_sc@teacher0-0", "label_made_ar@teacher0-0", "pretrain_mlm@encoder_mlm")
    for stage in (*going_on, "label_cases@1-0", "correct_labels@0", "training_set@ar_student"):
        listed, asked = inputs.listed(taught, stage), inputs.asked(taught, stage)
        assert asked.all == listed, stage
        assert asked.before_kept == (listed if stage in going_on else None), stage
    for stage in ("rewrite@smollm2", "make_cases@smollm2-1"):
        listed, asked = inputs.listed(taught, stage), inputs.asked(taught, stage)
        assert asked.all == listed, stage
        assert asked.before_kept is not None
        assert listed.parameters - asked.before_kept.parameters == {"smallest_count"}, "what only its metrics need"

    for name in ("sc1_student/0", "ar_student/0", "encoder_mlm/mlm"):
        card = json.loads((taught.folder / f"metrics/cards/{name}.json").read_text(encoding="utf-8"))
        assert not [key for key in card if "cases" in key or "rows" in key], "counts are released after a rule"

    taught.commit()
    own = str(Path(__file__).relative_to(tiny.ROOT))
    for name in set(taught.run("git", "ls-files").splitlines()) - {own}:
        path = taught.folder / name
        assert not path.is_file() or not any(report.encode() in path.read_bytes() for report in REPORTS), name
    assert not any(words in taught.log for words in (*REPORTS, *tiny.MARKERS))
    assert tiny.outside(taught) == set()
