"""Generation with transformers: the same prompts and seed give the same texts, on a CPU with fixed threads."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from abstractor.base.files import write_json
from abstractor.base.messages import writing as messages
from abstractor.machine.compute import Compute
from abstractor.machine.seeds import derive_seed
from abstractor.models.shared.attention_rules import choose_attention
from abstractor.writing.engine.settings import Writer
from abstractor.writing.engine.tokens import TextTokens


def load(folder: Path, compute: Compute) -> Any:
    """The language model of a backbone folder, ready to generate.

    Raises:
        WritingError: the folder holds no causal language model.
        ArchitectureError: the dtype is wrong for this architecture.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    attention = choose_attention(config, "auto", compute.dtype).name
    options = {"local_files_only": True, "use_safetensors": True, "dtype": compute.dtype}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, **options)
    except ValueError as error:
        raise messages.no_language_model(folder, error) from None
    # A backbone's own defaults (top_k, a penalty for repetitions) would work beside those of params.yaml, unseen.
    model.generation_config = GenerationConfig()
    return model.eval().to(compute.device)


def generate(
    model: Any,
    tokens: TextTokens,
    writer: Writer,
    prompts: Sequence[list[int]],
    marker: str | None,
    seed: int,
    name: str,
    done: Path | None = None,
) -> list[list[int]]:
    """Continue prompts, batch by batch, longest first; every batch has a seed of its own.

    Args:
        model: of `load`.
        tokens: of the model's tokenizer.
        writer: how to draw tokens.
        prompts: ids.
        marker: text that ends an answer, beside the stops of `tokens`; None: none.
        seed: of the batches' seeds.
        name: stands on the progress bar.
        done: folder that keeps finished batches, also of a run that was stopped with the same prompts; None: none.

    Returns:
        The new ids of each prompt, in order; after an end there may be padding.

    Raises:
        WritingError: a batch does not fit in memory.
    """
    order = sorted(range(len(prompts)), key=lambda number: (-len(prompts[number]), number))
    batches = [order[start : start + writer.batch_size] for start in range(0, len(order), writer.batch_size)]
    answers: list[list[int]] = [[] for _ in prompts]
    with torch.inference_mode(), tqdm(total=len(prompts), desc=f"write {name}", unit="text") as bar:
        for number, batch in enumerate(batches):
            kept = done / f"{number}.json" if done else None
            new = _finished(kept) if kept else None
            if new is None:
                torch.manual_seed(derive_seed(seed, number))
                try:
                    new = _continued(model, tokens, writer, [prompts[place] for place in batch], marker)
                except torch.OutOfMemoryError:
                    raise messages.too_many_at_a_time(len(batch), name) from None
                if kept:
                    write_json(kept, new)
            for place, ids in zip(batch, new, strict=True):
                answers[place] = ids
            bar.update(len(batch))
    return answers


def _finished(kept: Path) -> list[list[int]] | None:
    """The new ids of a batch that a stopped run has finished; None where there is none, or half of one."""
    try:
        found: list[list[int]] = json.loads(kept.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found


def _continued(
    model: Any, tokens: TextTokens, writer: Writer, prompts: Sequence[list[int]], marker: str | None
) -> list[list[int]]:
    """One batch, padded on the left, so that every prompt ends where its answer begins."""
    width = max(map(len, prompts))
    ids = torch.tensor([[tokens.pad] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    output: Tensor = model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=True,
        temperature=writer.temperature,
        top_p=writer.top_p,
        top_k=0,  # off: transformers would keep the 50 likeliest tokens
        max_new_tokens=writer.max_new_tokens,
        eos_token_id=tokens.stops or None,
        pad_token_id=tokens.stops[0] if tokens.stops else tokens.pad,
        stopping_criteria=[_marker_written(tokens, marker, width)] if marker else None,
    )
    return [row[width:] for row in output.tolist()]


def _marker_written(tokens: TextTokens, marker: str, start: int) -> Callable[..., Tensor]:
    """Tells which rows (batch,) bool hold `marker` in their latest tokens, after a prompt of `start` tokens."""
    longest = len(marker.encode()) + 1

    def done(input_ids: Tensor, _: Tensor, **__: Any) -> Tensor:
        latest = input_ids[:, max(start, input_ids.shape[1] - longest) :].tolist()
        return torch.tensor([marker in tokens.text(row) for row in latest], device=input_ids.device)

    return done
