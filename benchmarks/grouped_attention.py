"""Merged against joined attention of packed questions on a CPU: python benchmarks/grouped_attention.py [--quick].

`Merged` scores prefix and own tokens apart with PyTorch's private kernels and an autograd function of its own;
`joined` copies the prefix's keys beside each question's and runs plain SDPA, as on a GPU. A language model of
SmolLM2-135M's shape with random weights, 23 questions of 26 tokens, one case a row; a pass and a step of each in turn.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from measure import ROOT, machine
from transformers import AutoConfig, AutoModelForCausalLM

from abstractor.base.yaml_file import read_yaml
from abstractor.models.ar import grouped_attention
from abstractor.models.ar.answers import question_logits
from abstractor.models.ar.packing import Batch, pack

SHAPE = "HuggingFaceTB/SmolLM2-135M-Instruct"
PREFIXES, QUESTIONS, LENGTH, ROUNDS = (150, 300, 600), 23, 26, 5
TOLERANCE = 1e-3
"""Of a logit, relative to the largest."""


class Joined:
    """Stands in for `Merged`."""

    apply = staticmethod(grouped_attention.joined)


def load(quick: bool) -> Any:
    """A random model; in a quick run of two layers."""
    sizes = dict(read_yaml(ROOT / "recipes/shapes.yaml")[SHAPE]) | ({"num_hidden_layers": 2} if quick else {})
    torch.manual_seed(0)
    config = AutoConfig.for_model(sizes.pop("model_type"), **sizes)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")


def batch_of(prefix: int) -> Batch:
    """One case of random tokens."""
    draw = torch.Generator().manual_seed(prefix)
    tokens = torch.randint(0, 49152, (prefix + QUESTIONS * LENGTH,), generator=draw).tolist()
    asked = [tokens[prefix + n * LENGTH : prefix + (n + 1) * LENGTH] for n in range(QUESTIONS)]
    return pack([tokens[:prefix]], asked)


def score(model: Any, batch: Batch) -> torch.Tensor:
    """A pass without gradients."""
    with torch.inference_mode():
        return question_logits(model.eval(), batch)


def step(model: Any, batch: Batch) -> torch.Tensor:
    """A pass and its gradients."""
    model.zero_grad()
    logits = question_logits(model.train(), batch)
    torch.autograd.backward(logits.float().logsumexp(dim=-1).mean())
    return logits.detach()


def compare(model: Any, batch: Batch, run: Callable[[Any, Batch], torch.Tensor], rounds: int) -> dict[str, float]:
    """Median seconds of both ways in turn, and their ratio."""
    seconds: dict[str, list[float]] = {"merged": [], "joined": []}
    answers = {}
    for number in range(rounds + 1):
        for way, spent in seconds.items():
            with patch.object(grouped_attention, "Merged", grouped_attention.Merged if way == "merged" else Joined):
                start = time.perf_counter()
                answers[way] = run(model, batch)
                if number:  # the first one warms up
                    spent.append(time.perf_counter() - start)
    difference = float((answers["merged"] - answers["joined"]).abs().max() / answers["joined"].abs().max())
    assert difference < TOLERANCE, f"the two ways differ by {difference:.1e}"
    found = {way: statistics.median(spent) for way, spent in seconds.items()}
    return found | {"ratio": found["joined"] / found["merged"]}


def main() -> None:
    """Print a line a size and, last, all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    model, rows = load(quick), []
    for prefix in PREFIXES[: 1 if quick else None]:
        for name, run in (("score", score), ("step", step)):
            found = compare(model, batch_of(prefix), run, 1 if quick else ROUNDS)
            rows.append({"what": name, "prefix": prefix, **found})
            print(f"{name}, prefix of {prefix} tokens: joined {found['joined']:.2f} s, merged {found['merged']:.2f} s, "
                  f"{found['ratio']:.2f} times as fast", flush=True)  # fmt: skip
    print(json.dumps({"machine": machine(), "rows": rows}))


if __name__ == "__main__":
    main()
