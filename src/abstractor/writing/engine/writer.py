"""A writer at work: a backbone, its tokenizer and the engine that generates."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from abstractor.machine.compute import Compute
from abstractor.machine.seeds import derive_seed
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.writing.engine import transformers_engine, vllm_engine
from abstractor.writing.engine.settings import Writer
from abstractor.writing.engine.tokens import TextTokens, Written

Write = Callable[[Sequence[str], str | None], list[Written]]
"""Prompts and the marker that ends an answer (None: none) -> the answers, in order."""


def choose_engine(asked: Literal["auto", "transformers", "vllm"], device: str) -> Literal["transformers", "vllm"]:
    """The engine to use; `auto`: vllm where it is installed and `device` is cuda."""
    if asked == "auto":
        return "vllm" if device == "cuda" and vllm_engine.is_installed() else "transformers"
    return asked


def load_writer(writer: Writer, name: str, compute: Compute, *seed_of: object, done: Path | None = None) -> Write:
    """What answers prompts as a writer.

    Args:
        writer: of the name.
        name: key of `writers`, for the progress bar and messages.
        compute: device and dtype.
        seed_of: global seed, and what the texts are for.
        done: folder that keeps finished batches of one call for a run that goes on (not with vllm); None: none.

    Raises:
        RunError: the backbone has not been fetched.
        WritingError: the backbone cannot write in the writer's style.
    """
    from transformers import AutoConfig

    folder = backbone_folder(writer.backbone)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    tokenizer = load_tokenizer(folder)
    tokens = TextTokens(tokenizer, writer.style, _ids(config.eos_token_id))
    engine = choose_engine(writer.engine, compute.device.type)
    seed = derive_seed(0, *seed_of, name, writer.seed)
    room = getattr(config, "max_position_embeddings", None)

    def write(prompts: Sequence[str], marker: str | None) -> list[Written]:
        ids = [tokens.encode(prompt) for prompt in prompts]
        # A prompt that leaves no room for a whole answer is not asked: its answer could not end.
        fit = [place for place, prompt in enumerate(ids) if not room or len(prompt) + writer.max_new_tokens <= room]
        chosen = [ids[place] for place in fit]
        if engine == "vllm":
            new = vllm_engine.generate(folder, compute, tokens, writer, chosen, marker, seed)
        else:
            model = transformers_engine.load(folder, compute)
            new = transformers_engine.generate(model, tokens, writer, chosen, marker, seed, name, done)
        answers = [Written("", ended=False)] * len(prompts)
        for place, written in zip(fit, new, strict=True):
            answers[place] = tokens.read(written, marker)
        return answers

    return write


def _ids(found: Any) -> list[int]:
    """A config has one id, several or none."""
    return [] if found is None else [found] if isinstance(found, int) else list(found)
