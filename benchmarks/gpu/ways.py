"""Packed rows against one prompt per question: of plain transformers, and of unsloth's own engine.

Random weights in the published sizes, random tokens, float16 under a cap of 15 GB: a T4's work on any GPU. Unsloth runs
in a process of its own, since it changes transformers: python -m gpu.ways MODEL KIND REPETITIONS.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

from gpu.steps import Found, Part, Setting, Skipped

MODELS = ("meta-llama/Llama-3.2-1B-Instruct", "meta-llama/Llama-3.2-3B-Instruct")
PREFIX, QUESTIONS, SUFFIX = 600, 23, 26
CAP = 15
"""GB that the process may take."""
RANK, TARGETS = 32, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GOAL = 0.95
"""Share of what the counted work allows, against plain transformers."""
TOLERANCE = 0.05
"""Of a logit, in standard deviations of the logits."""
REPETITIONS = 5


class Work(NamedTuple):
    """A model and one case."""

    setting: Setting
    model: Any
    prefix: list[int]
    suffixes: list[list[int]]

    @classmethod
    def on(cls, setting: Setting, model: Any) -> "Work":
        """Random tokens for a model."""
        from gpu.product import tokens

        vocabulary = model.config.vocab_size
        prefix = tokens(vocabulary, PREFIX // 10 if setting.small else PREFIX)
        return cls(setting, model, prefix, [tokens(vocabulary, SUFFIX, 1 + seed) for seed in range(QUESTIONS)])


def compare(setting: Setting) -> Iterator[Part]:
    """Both models, scoring and training: against plain transformers, then against unsloth."""
    from gpu import product

    product.cap(setting, CAP)
    for name in MODELS[:1] if setting.small else MODELS:
        for kind in ("scoring", "training"):
            packed_seconds = list[float]()
            short = name.rpartition("/")[2]
            yield (
                f"{short}, {kind}, packed against one prompt at a time",
                partial(against_plain, setting, name, kind, packed_seconds),
            )
            yield (
                f"{short}, {kind}, packed against unsloth",
                partial(against_unsloth, setting, name, kind, packed_seconds),
            )


def against_plain(setting: Setting, name: str, kind: str, packed_seconds: list[float]) -> Found:
    """The same logits first, then both ways' seconds, what the work allows, and the share of the machine."""
    import torch
    import utilisation

    from gpu import product

    learn = kind == "training"
    compute = product.prepared(setting, "float16")
    work = Work.on(setting, model(setting, name, learn))
    repetitions = 1 if setting.small else REPETITIONS
    half = compute.dtype != torch.float32
    with torch.set_grad_enabled(learn), torch.autocast(setting.device, compute.dtype, enabled=learn and half):
        ours, theirs = packed(work, False).float(), alone(work, False).float()
        away = float((ours - theirs).abs().max() / theirs.std())
        took = product.seconds(setting, partial(packed, work, learn), repetitions)
        others = product.seconds(setting, partial(alone, work, learn), max(repetitions // 2, 1))
    packed_seconds.append(took)
    together, limit = counted(work, learn)
    rate = utilisation.matrix_rate(
        shape_of(work), len(work.prefix) + QUESTIONS * SUFFIX, device=setting.device, dtype=compute.dtype
    )
    share = together / took / rate
    words = (
        f"{others / took:.2f} times as fast, {limit:.2f} by the work counted; {share:.0%} of the matrix products' "
        f"{rate / 1e12:.1f} TFLOP/s; logits differ by {away:.1e} of their spread; {took:.3f} s, {product.peak(setting)}"
    )
    return Found(away <= TOLERANCE and (others / took >= GOAL * limit or setting.small), words)


def against_unsloth(setting: Setting, name: str, kind: str, packed_seconds: list[float]) -> Found:
    """Its seconds for one prompt a question, measured in a process of its own."""
    if setting.small or find_spec("unsloth") is None:
        raise Skipped("unsloth needs a GPU" if setting.small else "unsloth is not installed here")
    if not packed_seconds:
        raise Skipped("packed rows did not run")
    command = [sys.executable, "-m", "gpu.ways", name, kind, str(REPETITIONS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"unsloth did not run: {' '.join(done.stderr.strip().splitlines()[-1:])}")
    took = float(json.loads(done.stdout.splitlines()[-1]))
    ratio = took / packed_seconds[0]
    return Found(ratio >= 1, f"{ratio:.2f} times as fast; {took:.3f} s")


def model(setting: Setting, name: str, learn: bool) -> Any:
    """A random model on the device, with the product's adapter for training."""
    import torch
    from transformers import AutoModelForCausalLM

    from abstractor.models.ar.loading import add_lora
    from abstractor.models.shared.lora import Lora
    from gpu import product

    dtype = torch.float32 if setting.small else torch.float16
    with torch.device(setting.device):
        config = product.config(setting, name)
        made = product.random(AutoModelForCausalLM, config, dtype=dtype, attn_implementation="sdpa").eval()
    if not learn:
        return made
    adapted = add_lora(made, Lora(rank=RANK, alpha=2 * RANK, dropout=0.0, targets=TARGETS), seed=0).train()
    adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return adapted


def packed(work: Work, learn: bool) -> Any:
    """This project's way; (Q, V) logits."""
    import torch

    from abstractor.models.ar.answers import question_logits
    from abstractor.models.ar.packing import pack
    from abstractor.models.shared.batching import alignment

    batch = pack([work.prefix], work.suffixes, multiple=alignment(work.setting.device))
    logits = question_logits(work.model, batch)[0]
    if learn:
        torch.autograd.backward(logits.float().logsumexp(1).mean())
    return logits.detach()


def alone(work: Work, learn: bool) -> Any:
    """One prompt at a time through the model's own forward pass; (Q, V) logits."""
    import torch

    found = []
    for suffix in work.suffixes:
        ids = torch.tensor([work.prefix + suffix], device=work.model.device)
        logits = work.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1:]
        if learn:
            torch.autograd.backward(logits.float().logsumexp(1).mean() / QUESTIONS)
        found.append(logits.detach())
    return torch.cat(found)


def shape_of(work: Work) -> Any:
    """What the model's costs follow from."""
    from abstractor.handoff.costs import Shape

    return Shape.of(work.model.config)


def counted(work: Work, learn: bool) -> tuple[float, float]:
    """FLOPs of packed rows, and how many times as many single prompts take."""
    from abstractor.handoff import costs

    shape, asked, prefix = shape_of(work), [SUFFIX] * QUESTIONS, len(work.prefix)

    def flops(tokens: int, area: int, heads: int) -> float:
        if learn:
            return costs.lora_step_flops(shape, tokens, area, heads, RANK, TARGETS, recompute=True)
        return costs.forward_flops(shape, tokens, area, heads)

    together = flops(prefix + sum(asked), costs.packed_area(prefix, asked), QUESTIONS)
    return together, QUESTIONS * flops(prefix + SUFFIX, costs.causal_area(prefix + SUFFIX), 1) / together


def unsloth_side(name: str, kind: str, repetitions: int) -> float:
    """The other process: unsloth first, then everything else."""
    import importlib

    from abstractor.models.ar.loading import import_engine

    import_engine("unsloth")
    import torch
    from support import tiny

    from gpu import product

    setting, learn = Setting("cuda", None, ()), kind == "training"
    product.prepared(setting, "float16")
    product.cap(setting, CAP)
    fast = importlib.import_module("unsloth").FastLanguageModel
    model(setting, name, learn=False).save_pretrained("unsloth")
    tiny.tokenizer().save_pretrained("unsloth")
    length = PREFIX + SUFFIX
    made, _ = fast.from_pretrained("unsloth", max_seq_length=length, dtype=torch.float16, load_in_4bit=False)
    if learn:
        made = fast.get_peft_model(
            made, r=RANK, lora_alpha=2 * RANK, lora_dropout=0, target_modules=TARGETS, bias="none",
            use_gradient_checkpointing="unsloth", random_state=0,
        )  # fmt: skip
    else:
        fast.for_inference(made)
    work = Work.on(setting, made)
    with torch.set_grad_enabled(learn), torch.autocast("cuda", torch.float16, enabled=learn):
        return product.seconds(setting, partial(alone, work, learn), repetitions)


if __name__ == "__main__":
    print(json.dumps(unsloth_side(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
