"""DeBERTa's attention by kernels against transformers' code: python benchmarks/deberta_attention.py [--device cpu].

A DeBERTa-v3-large of random weights, as a classifier trains it: mixed precision, dropout, recomputed activations. Both
ways are held against the plain code in float32. On a CPU a small model runs by the library's reference, to see that
the comparison works.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from measure import ROOT, machine
from torch import Tensor
from transformers import AutoConfig, AutoModel

from abstractor.base.yaml_file import read_yaml
from abstractor.machine.compute import Compute, autocast
from abstractor.models.sc import flash
from abstractor.training.loop.callbacks import dropout_rates

SHAPE = "microsoft/deberta-v3-large"
SMALL = {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 2, "position_buckets": 8, "max_position_embeddings": 64}
SPREAD = 0.04
"""Of the random weights: twice the usual one, so that attention is far from an average."""


def load(shape: str, device: torch.device) -> Any:
    """A random model in float32; on a CPU a small one of the same type."""
    sizes = dict(read_yaml(ROOT / "recipes/shapes.yaml")[shape]) | {"initializer_range": SPREAD}
    config = AutoConfig.for_model(sizes.pop("model_type"), **sizes | (SMALL if device.type == "cpu" else {}))
    torch.manual_seed(0)
    model: Any = AutoModel.from_config(config, dtype=torch.float32, attn_implementation="eager")
    model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.to(device)


def batch_of(model: Any, rows: int, tokens: int) -> dict[str, Tensor]:
    """Rows of random tokens, from full length to half of it."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, model.config.vocab_size, (rows, tokens), generator=draw)
    lengths = torch.linspace(tokens, tokens // 2, rows).long()
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    return {"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)}


def step(model: Any, batch: dict[str, Tensor], compute: Compute) -> Tensor:
    """A pass and its gradients; what it says of the tokens that are no padding."""
    model.zero_grad()
    torch.manual_seed(1)
    with autocast(compute):
        said = model(**batch).last_hidden_state[batch["attention_mask"].bool()].float()
    torch.autograd.backward(said.pow(3).mean())
    result: Tensor = said.detach()
    return result


def gradients(model: Any) -> Tensor:
    """All of a model's gradients in one row."""
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def off(found: Tensor, expected: Tensor) -> float:
    """Length of the difference, relative."""
    return float((found - expected).norm() / expected.norm())


def compare(
    device: str, dtype: torch.dtype, rows: int, tokens: int, rounds: int, shape: str = SHAPE
) -> dict[str, dict[str, float | bool]]:
    """Compare a step of training by both ways.

    Args:
        device: cuda, or cpu for a small model.
        dtype: of the arithmetic.
        rows: in a batch.
        tokens: of the longest row.
        rounds: timed steps of each way.
        shape: a key of `recipes/shapes.yaml`.

    Returns:
        For eager and flash: `seconds` of a step (median); `peak_gb` (10^9 bytes) that it takes beside weights and
        gradients, 0 on a CPU; `off` and `gradients_off`, relative to the plain code in float32, without dropout;
        `repeats`: whether two steps with dropout from one seed have gradients of the same bits.
    """
    place = torch.device(device)
    compute, exact = Compute(place, dtype, "asked for"), Compute(place, torch.float32, "asked for")
    plain = load(shape, place)
    ours = deepcopy(plain)
    flash.enable(ours, "torch" if device == "cpu" else "triton")
    batch = batch_of(plain, rows, tokens)
    with without_dropout(plain):
        expected = step(plain, batch, exact), gradients(plain)
    found: dict[str, dict[str, float | bool]] = {}
    for name, model in (("eager", plain), ("flash", ours)):
        with without_dropout(model):
            away = {"off": off(step(model, batch, compute), expected[0])}
            away["gradients_off"] = off(gradients(model), expected[1])
        step(model, batch, compute)
        first = gradients(model)
        step(model, batch, compute)
        same = torch.equal(gradients(model), first)
        found[name] = {**away, "repeats": same, **cost(model, batch, compute, rounds)}
    return found


@contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """No dropout for a while; evaluation would recompute no activations."""
    rates = dropout_rates(model.train())
    for module, name, _ in rates:
        setattr(module, name, 0.0)
    yield
    for module, name, rate in rates:
        setattr(module, name, rate)


def cost(model: Any, batch: dict[str, Tensor], compute: Compute, rounds: int) -> dict[str, float]:
    """Median seconds of a step and the memory that it takes; the model has run before."""
    cuda, seconds, before = compute.device.type == "cuda", [], 0
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    for _ in range(rounds):
        start = time.perf_counter()
        step(model, batch, compute)
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    peak = (torch.cuda.max_memory_allocated() - before) / 1e9 if cuda else 0.0
    return {"seconds": statistics.median(seconds), "peak_gb": peak}


def main() -> None:
    """Print a line for each way and, last, all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    device = parser.parse_args().device
    rows, tokens, rounds = (2, 48, 1) if device == "cpu" else (8, 1024, 5)
    found = compare(device, torch.bfloat16, rows, tokens, rounds)
    for name, row in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in row.items()))
    print(json.dumps({"machine": machine(), "ways": found}))


if __name__ == "__main__":
    main()
