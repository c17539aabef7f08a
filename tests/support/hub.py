"""A model hub that answers from here: the file lists of the repositories that recipes name, with tiny contents."""

import hashlib
import io
import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sentencepiece
import torch
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import save
from transformers import DebertaV2Config, DebertaV2ForMaskedLM

from abstractor.models.fetch import HubSource

COMMIT = "0123456789abcdef" * 2 + "01234567"
_DEBERTA = [".gitattributes", "README.md", "config.json", "pytorch_model.bin", "spm.model", "tf_model.h5"]
_DEBERTA += ["tokenizer_config.json"]
_CHAT = [".gitattributes", "README.md", "config.json", "generation_config.json", "tokenizer.json"]
_CHAT += ["tokenizer_config.json"]
_SHARDED = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
_LLAMA = [*_CHAT, "LICENSE.txt", "USE_POLICY.md", "special_tokens_map.json", "original/consolidated.00.pth"]
_LLAMA += ["original/params.json", "original/tokenizer.model"]
FILES = {
    "microsoft/deberta-v2-xlarge": _DEBERTA,
    "microsoft/deberta-v2-xxlarge": _DEBERTA,
    "microsoft/deberta-v3-large": [*_DEBERTA, "generator_config.json", "pytorch_model.generator.bin", "rust_model.ot"],
    "meta-llama/Llama-3.2-1B-Instruct": [*_LLAMA, "model.safetensors"],
    "meta-llama/Llama-3.2-3B-Instruct": [*_LLAMA, *_SHARDED],
    "google/gemma-2-2b-it": [*_CHAT, *_SHARDED, "special_tokens_map.json", "tokenizer.model"],
    "Qwen/Qwen2.5-3B-Instruct": [*_CHAT, *_SHARDED, "LICENSE", "merges.txt", "vocab.json"],
}
"""As published."""
SHAPE: dict[str, Any] = {"vocab_size": 128, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
SHAPE |= {"num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0, "type_vocab_size": 0}
SHAPE |= {"relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True}
SHAPE |= {"pos_att_type": ["p2c", "c2p"], "position_biased_input": False}


def deberta() -> DebertaV2ForMaskedLM:
    """A random DeBERTa whose masked-LM head is the one that its makers trained (`lm_predictions`)."""
    torch.manual_seed(0)
    model = DebertaV2ForMaskedLM(DebertaV2Config(**SHAPE, legacy=False, tie_word_embeddings=False))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))  # biases begin at 0, which would hide a lost one
    return model.eval()


@cache
def vocabulary() -> bytes:
    """A sentencepiece model with DeBERTa's special tokens, learnt from a few invented words."""
    words = "the victim was found at home by a partner who called police after an argument about money gun wound"
    lines = (" ".join(words.split()[n % 7 :: n % 3 + 1]) for n in range(60))
    written = io.BytesIO()
    special = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
    numbered = {f"{name}_id": number for number, name in enumerate(special)}
    pieces = {f"{name}_piece": piece for name, piece in special.items()}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=written, vocab_size=60, hard_vocab_limit=False, minloglevel=2,
        num_threads=1, **numbered, **pieces,
    )  # fmt: skip
    return written.getvalue()


@cache
def contents(repo: str) -> dict[str, bytes]:
    """File -> bytes of a repository."""
    return {file: _content(repo, file) for file in FILES[repo]}


def _content(repo: str, file: str) -> bytes:
    if file == "config.json" and "deberta" in repo:  # as published: it does not say whose head the weights have
        return json.dumps(SHAPE | {"model_type": "deberta-v2"}).encode()
    if file == "tokenizer_config.json" and "deberta" in repo:
        return json.dumps({"do_lower_case": False, "vocab_type": "spm"}).encode()
    if file == "pytorch_model.bin":
        written = io.BytesIO()
        torch.save({name: weight.half() for name, weight in deberta().state_dict().items()}, written)
        return written.getvalue()
    if file == "spm.model":
        return vocabulary()
    if file.endswith(".safetensors"):
        return save({file: torch.ones(2)}, metadata={"format": "pt"})
    return b"{}" if file.endswith(".json") else f"{file}, not to be kept".encode()


def published(repo: str, **changes: Any) -> HubSource:
    """A repository as `make pin-backbones` writes it, with changes."""
    pickled = "pytorch_model.bin"
    hashes = {pickled: hashlib.sha256(contents(repo)[pickled]).hexdigest()} if pickled in FILES[repo] else {}
    fields = {"revision": COMMIT, "allow_hub": True, "bin_sha256": hashes}
    return HubSource(**{"source": "hub", "repo": repo} | fields | changes)


def model_info(repo: str, *, revision: str, timeout: float, files_metadata: bool) -> SimpleNamespace:
    """As `huggingface_hub.model_info`: a commit, and of each large file the sha256."""
    assert revision in ("main", COMMIT) and timeout and files_metadata
    large = (".bin", ".safetensors", ".h5", ".ot", ".pth", ".model")
    siblings = [
        SimpleNamespace(
            rfilename=file,
            lfs=SimpleNamespace(sha256=hashlib.sha256(content).hexdigest()) if file.endswith(large) else None,
        )
        for file, content in contents(repo).items()
    ]
    return SimpleNamespace(sha=COMMIT, siblings=siblings)


def snapshot_download(
    repo: str, *, revision: str, local_dir: Path, allow_patterns: list[str], ignore_patterns: str
) -> None:
    """As `huggingface_hub.snapshot_download`, by its own rules for patterns."""
    assert revision == COMMIT
    for file in filter_repo_objects(FILES[repo], allow_patterns=allow_patterns, ignore_patterns=ignore_patterns):
        path = Path(local_dir) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents(repo)[file])
