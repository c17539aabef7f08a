"""Packed rows on a GPU against one prompt per question: python benchmarks/gpu.py [--model NAME] [--quick].

Random weights in the published sizes of recipes/shapes.yaml, random tokens, float16 under a cap of 15 GB: the shapes
of a T4's work on any GPU. The other ways: plain transformers, one prompt at a time, and unsloth's own engine, which
runs in a process of its own because it changes transformers. `--device cpu` runs a small model, to see that it works.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import measure
import torch
from torch import Tensor

ROOT = Path(__file__).parents[1]
MODELS = ("meta-llama/Llama-3.2-1B-Instruct", "meta-llama/Llama-3.2-3B-Instruct")
SMALL = {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
PREFIX, QUESTIONS, SUFFIX = 600, 23, 26
CAP = 15e9
"""Bytes that the process may take."""
RANK, TARGETS = 32, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GOALS = {"scoring": 0.95, "training": 0.95}
"""Shares of the limit, against plain transformers."""
TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05}
"""Of a logit, in standard deviations of the logits."""


class Work(NamedTuple):
    """A model and one case."""

    model: Any
    prefix: list[int]
    suffixes: list[list[int]]

    @property
    def prompts(self) -> list[Tensor]:
        """(1, L) ids of every question alone."""
        return [torch.tensor([self.prefix + suffix], device=self.model.device) for suffix in self.suffixes]


def case(vocabulary: int, prefix: int) -> tuple[list[int], list[list[int]]]:
    """Random tokens of a case and its questions."""
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> list[int]:
        return [int(token) for token in torch.randint(5, vocabulary, (count,), generator=generator)]

    return draw(prefix), [draw(SUFFIX) for _ in range(QUESTIONS)]


def config(name: str, device: str) -> Any:
    """Of the published sizes; on a CPU of a small model of the same type."""
    from transformers import AutoConfig

    from abstractor.base.yaml_file import read_yaml

    sizes = dict(read_yaml(ROOT / "recipes/shapes.yaml")[name])
    kind = sizes.pop("model_type")
    return AutoConfig.for_model(kind, **(sizes | SMALL if device == "cpu" else sizes))


def work(name: str, device: str, lora: bool) -> Work:
    """A random model on the device, with an adapter for training."""
    from transformers import AutoModelForCausalLM

    from abstractor.models.ar.loading import add_lora
    from abstractor.models.shared.lora import Lora

    torch.manual_seed(0)
    dtype = torch.float32 if device == "cpu" else torch.float16
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config(name, device), dtype=dtype, attn_implementation="sdpa")
    if lora:
        model = add_lora(model.eval(), Lora(rank=RANK, alpha=2 * RANK, dropout=0.0, targets=TARGETS), seed=0).train()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return Work(model.eval() if not lora else model, *case(model.config.vocab_size, 60 if device == "cpu" else PREFIX))


def packed(given: Work, learn: bool) -> Tensor:
    """This project's way; (Q, V) logits."""
    from abstractor.models.ar.answers import question_logits
    from abstractor.models.ar.packing import pack

    multiple = 8 if given.model.device.type == "cuda" else 1
    logits = question_logits(given.model, pack([given.prefix], given.suffixes, multiple=multiple))[0]
    if learn:
        torch.autograd.backward(logits.float().logsumexp(1).mean())
    return logits.detach()


def alone(given: Work, learn: bool) -> Tensor:
    """One prompt at a time through the model's own forward pass; (Q, V) logits."""
    found = []
    for ids in given.prompts:
        logits = given.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1:]
        if learn:
            torch.autograd.backward(logits.float().logsumexp(1).mean() / len(given.suffixes))
        found.append(logits.detach())
    return torch.cat(found)


def timed(run: Callable[[], object], device: str, repetitions: int) -> list[float]:
    """Seconds of each run, to the end of the device's queue."""

    def finished() -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    finished()
    return measure.in_turn({"way": finished}, repetitions + 1)["way"][1:]


def unsloth_seconds(name: str, learn: bool, repetitions: int) -> list[float] | None:
    """What unsloth takes for one prompt per question, measured in a process of its own; None where it cannot run."""
    command = [sys.executable, __file__, "--model", name, "--unsloth", "training" if learn else "scoring"]
    done = subprocess.run([*command, str(repetitions)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"unsloth did not run ({done.stderr.strip().splitlines()[-1:]})")
        return None
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def unsloth_side(name: str, learn: bool, repetitions: int) -> list[float]:
    """The other process: unsloth first, then everything else."""
    import importlib

    fast = importlib.import_module("unsloth").FastLanguageModel
    with tempfile.TemporaryDirectory() as folder:
        work(name, "cuda", lora=False).model.save_pretrained(folder)
        model, _ = fast.from_pretrained(folder, max_seq_length=PREFIX + SUFFIX, dtype=torch.float16, load_in_4bit=False)
    if learn:
        model = fast.get_peft_model(
            model, r=RANK, lora_alpha=2 * RANK, lora_dropout=0, target_modules=TARGETS, bias="none",
            use_gradient_checkpointing="unsloth", random_state=0,
        )  # fmt: skip
    else:
        fast.for_inference(model)
    given = Work(model, *case(model.config.vocab_size, PREFIX))
    with torch.set_grad_enabled(learn), torch.autocast("cuda", torch.float16, enabled=learn):
        return timed(partial(alone, given, learn), "cuda", repetitions)


def compare(name: str, device: str, kind: str, repetitions: int) -> list[measure.Result]:
    """Prove the same logits, then time both ways and the fraction of the machine."""
    import utilisation

    from abstractor.handoff import costs

    learn = kind == "training"
    given = work(name, device, lora=learn)
    shape, asked = costs.Shape.of(given.model.config), [SUFFIX] * QUESTIONS
    tokens, prefix = len(given.prefix) + sum(asked), len(given.prefix)

    def flops(count: int, area: int, heads: int) -> float:
        if learn:
            return costs.lora_step_flops(shape, count, area, heads, RANK, TARGETS, recompute=True)
        return costs.forward_flops(shape, count, area, heads)

    together = flops(tokens, costs.packed_area(prefix, asked), QUESTIONS)
    limit = QUESTIONS * flops(prefix + SUFFIX, costs.causal_area(prefix + SUFFIX), 1) / together
    dtype = given.model.get_input_embeddings().weight.dtype
    with torch.set_grad_enabled(learn), torch.autocast(device, dtype, enabled=learn and dtype != torch.float32):
        ours, theirs = packed(given, False).float(), alone(given, False).float()
        found = float((ours - theirs).abs().max() / theirs.std())
        seconds = {
            "packed": timed(partial(packed, given, learn), device, repetitions),
            "one prompt at a time": timed(partial(alone, given, learn), device, max(repetitions // 2, 1)),
        }
    if device == "cuda" and (took := unsloth_seconds(name, learn, repetitions)):
        seconds["unsloth"] = took
    sizes = f"{name}, {prefix} tokens, {QUESTIONS} questions of {SUFFIX}, {dtype}"
    results = [
        measure.Result(
            what=f"{kind}, packed against {way}",
            sizes=sizes,
            ratio=measure.ratio(seconds, "packed", way),
            goal=GOALS[kind] * limit if way == "one prompt at a time" else 1.0,
            same_answer=found <= TOLERANCE[dtype],
            difference=found,
            limit=limit if way == "one prompt at a time" else None,
            seconds={side: seconds[side] for side in ("packed", way)},
        )
        for way in list(seconds)[1:]
    ]
    rate = utilisation.matrix_rate(shape, tokens, device=device, dtype=dtype)
    share = together / sorted(seconds["packed"])[len(seconds["packed"]) // 2] / rate
    what = f"{kind}, share of the matrix products' {rate / 1e12:.1f} TFLOP/s"
    return [*results, measure.Result(what=what, sizes=sizes, ratio=share, goal=utilisation.GOALS[kind])]


def main() -> None:
    """Measure and report."""
    parser = measure.parser(__doc__)
    parser.add_argument("--model", choices=MODELS, action="append", help="default: both")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--unsloth", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda":
        if not torch.cuda.is_available():
            sys.exit("no CUDA device; --device cpu shows that the benchmark works, on a small model")
        whole = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(CAP / whole, 1.0))
    if options.unsloth:
        kind, repetitions = options.unsloth
        print(json.dumps(unsloth_side(options.model[0], kind == "training", int(repetitions))))
        return
    results = []
    for name in options.model or MODELS[: 1 if options.quick else None]:
        for kind in GOALS:
            results += compare(name, options.device, kind, 1 if options.quick else 5)
    measure.report("gpu", results, cap=CAP, torch=torch.__version__)


if __name__ == "__main__":
    main()
