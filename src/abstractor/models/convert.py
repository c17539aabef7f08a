"""Models that come in another form, made plain: GGUF files, pickled weights, sentencepiece vocabularies."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abstractor.base.files import write_json
from abstractor.base.messages import fetch as messages

if TYPE_CHECKING:
    from torch import Tensor

PICKLED = r"pytorch_model(-\d+-of-\d+)?\.bin"
"""A weight file, or a part of one, as transformers wrote it before safetensors."""
PICKLED_INDEX = "pytorch_model.bin.index.json"
"""Which weight lies in which part."""


def gguf(name: str, file: Path, out: Path) -> None:
    """Write a quantised GGUF model as float32 safetensors with its tokenizer and chat template.

    Raises:
        BackboneError: the file is missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

    if not file.is_file():
        raise messages.no_gguf(name, file.name)
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # A model read from GGUF counts as quantised and refuses to be saved: its weights go into a plain one.
    del read.config.quantization_config
    plain = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(out)
    # transformers 5.17 takes the beginning token of a GGUF for its end token and drops the padding token,
    # so the special tokens come from the model's own ids.
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    ids = {part: getattr(read.config, f"{part}_token_id", None) for part in ("bos", "eos", "pad", "unk")}
    named = {f"{part}_token": tokenizer.convert_ids_to_tokens(n) for part, n in ids.items() if n is not None}
    clean = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **named)
    clean.chat_template = tokenizer.chat_template
    clean.save_pretrained(out)


def pickles(name: str, folder: Path) -> None:
    """Turn the pickled weights of a folder, if it has some, into safetensors of the same names and dtypes.

    Every weight is kept, those of a masked-LM head too, whatever a model of transformers makes of them later.

    Raises:
        BackboneError: a file holds more than weights, whose reading could run code, or is damaged.
    """
    from safetensors.torch import save_file

    for file in sorted(folder.glob("pytorch_model*.bin")):
        # "pt" is what transformers asks for; no other metadata, so that the same weights make the same bytes.
        save_file(_weights(name, file), file.with_name(_plain(file.name)), metadata={"format": "pt"})
        file.unlink()
    index = folder / PICKLED_INDEX
    if index.is_file():
        listed: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        parts = {weight: _plain(file) for weight, file in listed["weight_map"].items()}
        write_json(folder / "model.safetensors.index.json", listed | {"weight_map": parts})
        index.unlink()


def _plain(file: str) -> str:
    return file.replace("pytorch_model", "model").replace(".bin", ".safetensors")


def _weights(name: str, file: Path) -> "dict[str, Tensor]":
    """The tensors of a pickled file, read without running anything; each with memory of its own."""
    import torch

    try:
        # Files from before PyTorch 1.6 are no archives and cannot be mapped: they are read whole.
        mapped = zipfile.is_zipfile(file)
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
        named = {key: found[key] for key in sorted(found)}
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, LookupError) as error:
        raise messages.not_weights(name, file.name, type(error).__name__) from None
    seen: set[int] = set()
    for key, weight in named.items():
        if not isinstance(weight, torch.Tensor) or weight.layout != torch.strided:
            raise messages.not_weights(name, file.name, type(weight).__name__)
        # Tied weights are one tensor under two names, which safetensors refuses: a copy keeps both names.
        apart = weight.detach().contiguous()
        if apart.untyped_storage().data_ptr() in seen:
            apart = apart.clone()
        seen.add(apart.untyped_storage().data_ptr())
        named[key] = apart
    return named


def vocabulary(name: str, folder: Path) -> None:
    """Write the tokenizer of a folder that has a sentencepiece vocabulary alone as tokenizer.json, beside it.

    So it loads wherever it is copied to: without sentencepiece, and without a config that names its class.

    Raises:
        BackboneError: sentencepiece or protobuf is not installed, or the vocabulary cannot be read.
    """
    file = next(iter(sorted(folder.glob("*.model"))), None)
    if file is None or (folder / "tokenizer.json").is_file():
        return
    try:
        # transformers reads it by the same two packages; without, it advises to install tiktoken.
        from sentencepiece.sentencepiece_model_pb2 import ModelProto
    except ImportError:
        raise messages.no_sentencepiece(name) from None
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except ValueError:
        raise messages.no_vocabulary(name) from None
    charsmap = ModelProto.FromString(file.read_bytes()).normalizer_spec.precompiled_charsmap
    _normalised(tokenizer, charsmap).save_pretrained(folder)


def _normalised(tokenizer: Any, charsmap: bytes) -> Any:
    """A fast tokenizer that normalises characters as the makers of its vocabulary did.

    transformers 5.17 leaves that out of DeBERTa's (NFKC): a no-break space would hide the border of two words, and an
    ellipsis be unknown. Its class would do so again at each loading, hence a tokenizer of no class.
    """
    from tokenizers.normalizers import Precompiled, Sequence
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer.backend_tokenizer
    if not charsmap or '"Precompiled"' in backend.to_str():
        return tokenizer
    backend.normalizer = Sequence([Precompiled(charsmap), *([backend.normalizer] if backend.normalizer else [])])
    return PreTrainedTokenizerFast(tokenizer_object=backend, **tokenizer.special_tokens_map)
