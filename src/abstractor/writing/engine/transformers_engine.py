"""Generation with transformers: the same prompts and seed give the same texts, on a CPU with fixed threads.

A batch draws from one stream of random numbers, so its texts depend on its size, and those of a batch that memory
halves on that.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from abstractor.base.files import write_json
from abstractor.base.messages import writing as messages
from abstractor.machine.compute import Compute
from abstractor.machine.memory import within_memory
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
        WritingError: a single text does not fit in memory, or the model gives no numbers.
    """
    order = sorted(range(len(prompts)), key=lambda number: (-len(prompts[number]), number))
    batches = [order[start : start + writer.batch_size] for start in range(0, len(order), writer.batch_size)]
    answers: list[list[int]] = [[] for _ in prompts]
    draw, halved = partial(_continued, model, tokens, writer, marker, name), 0
    with torch.inference_mode(), tqdm(total=len(prompts), desc=f"write {name}", unit="text") as bar:
        for number, batch in enumerate(batches):
            kept = done / f"{number}.json" if done else None
            new = _finished(kept) if kept else None
            if new is None:
                new, times = _fitting(draw, [prompts[place] for place in batch], derive_seed(seed, number), name)
                halved += times
                if kept:
                    write_json(kept, new)
            for place, ids in zip(batch, new, strict=True):
                answers[place] = ids
            bar.update(len(batch))
    if halved:
        print(f"{name}: {halved} batches did not fit in memory and were halved; lower writers.{name}.batch_size")
    return answers


def _finished(kept: Path) -> list[list[int]] | None:
    """The new ids of a batch that a stopped run has finished; None where there is none, or half of one."""
    try:
        found: list[list[int]] = json.loads(kept.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found


def _fitting(
    draw: Callable[[Sequence[list[int]]], list[list[int]]], prompts: Sequence[list[int]], seed: int, name: str
) -> tuple[list[list[int]], int]:
    """The new ids of a batch, and how often it was halved to fit in memory; each half has a seed of its own."""
    torch.manual_seed(seed)
    new = within_memory(partial(draw, prompts))
    if new is not None:
        return new, 0
    if len(prompts) == 1:
        raise messages.text_does_not_fit(len(prompts[0]), name)
    middle = -(-len(prompts) // 2)
    first, times = _fitting(draw, prompts[:middle], derive_seed(seed, 0), name)
    second, more = _fitting(draw, prompts[middle:], derive_seed(seed, 1), name)
    return first + second, 1 + times + more


def _continued(
    model: Any, tokens: TextTokens, writer: Writer, marker: str | None, name: str, prompts: Sequence[list[int]]
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
        logits_processor=[_finite(name, str(model.dtype).removeprefix("torch."))],
        stopping_criteria=[_marker_written(tokens, marker, width)] if marker else None,
    )
    return [row[width:] for row in output.tolist()]


def _finite(name: str, dtype: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Passes on the logits (batch, V) that it is sound to draw from: on a GPU others end the process, without words."""

    def checked(_: Tensor, logits: Tensor) -> Tensor:
        # The largest: it is no number where one of them is none, and minus infinity rightly rules a token out.
        if not logits.amax(dim=1).isfinite().all():
            raise messages.no_numbers(name, dtype)
        return logits

    return checked


def _marker_written(tokens: TextTokens, marker: str, start: int) -> Callable[..., Tensor]:
    """Tells which rows (batch,) bool hold `marker` in their latest tokens, after a prompt of `start` tokens."""
    longest = len(marker.encode()) + 1

    def done(input_ids: Tensor, _: Tensor, **__: Any) -> Tensor:
        latest = input_ids[:, max(start, input_ids.shape[1] - longest) :].tolist()
        return torch.tensor([marker in tokens.text(row) for row in latest], device=input_ids.device)

    return done
