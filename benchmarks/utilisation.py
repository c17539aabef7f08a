"""Which fraction of the machine the models reach: python benchmarks/utilisation.py [--quick].

Model FLOP/s of scoring and of training, in float32 on the CPU, over those of plain matrix products of the model's
own sizes at the same number of tokens. A profile of one pass says where the rest of the time goes.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import ar_scoring
import ar_training
import measure
import prediction
import sc_training
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from abstractor.handoff import costs
from abstractor.handoff.costs import Shape
from abstractor.machine.compute import Machine, prepare_machine
from abstractor.models.shared.batching import cost

GOALS = {"scoring": 0.75, "training": 0.60}
PARTS = {
    "matrix products": ("mm", "linear", "bmm"),
    "attention": ("scaled_dot_product", "softmax"),
    "dropout": ("dropout", "bernoulli"),
    "norms and activations": ("norm", "gelu", "silu", "pow", "rsqrt", "mean", "sigmoid", "lerp"),
    "optimiser": ("adam", "foreach"),
    "sums, products and copies": ("add", "mul", "copy", "cat", "index", "fill", "zero", "neg", "sum", "div", "sub"),
}
"""Part of the time -> parts of the operations' names; the first that fits counts."""


class Job(NamedTuple):
    """A run with its counted FLOPs."""

    kind: str
    """scoring or training."""
    name: str
    sizes: str
    shape: Shape
    tokens: int
    """Of one forward pass."""
    flops: float
    run: Callable[[], object]


def one_length(words: int, cases: int) -> measure.Corpus:
    """Demo cases of one length."""
    drawn = measure.demo(max(cases, 20), 60)
    return measure.with_words(drawn._replace(cases=drawn.cases.iloc[:cases]), words)


def ar_scores(setup: ar_scoring.Setup, words: int) -> Job:
    """A language model answers all questions of a case."""
    corpus = one_length(words, 1)
    prompts = setup.prompts(corpus.codebook)
    cases = ar_scoring.Cases.of(corpus, prompts)
    shape, asked = Shape.of(setup.model.config), [len(suffix) for suffix in cases.suffixes]
    tokens, area = len(cases.prefixes[0]) + sum(asked), costs.packed_area(len(cases.prefixes[0]), asked)
    run = torch.inference_mode()(partial(ar_scoring.packed, setup.model, setup.batcher(prompts), cases))
    flops = costs.forward_flops(shape, tokens, area, len(asked))
    return Job("scoring", "AR scoring", cases.sizes(f"{words} words"), shape, tokens, flops, run)


def ar_trains(setup: ar_scoring.Setup, words: int) -> Job:
    """A language model learns from a case: the gradients of its LoRA."""
    corpus = one_length(words, 1)
    prompts = setup.prompts(corpus.codebook)
    task = ar_training.Task.of(corpus, prompts)
    shape, asked = Shape.of(setup.model.config), [len(suffix) for suffix in task.cases.suffixes]
    tokens, area = len(task.cases.prefixes[0]) + sum(asked), costs.packed_area(len(task.cases.prefixes[0]), asked)
    lora = setup.params.lora
    flops = costs.lora_step_flops(shape, tokens, area, len(asked), lora.rank, lora.targets)
    run = partial(ar_training.packed, setup, setup.batcher(prompts), task)
    return Job("training", "AR LoRA step", task.cases.sizes(f"{words} words"), shape, tokens, flops, run)


def sc_scores(words: int, cases: int) -> Job:
    """A classifier reads some cases."""
    model = prediction.classifier(one_length(words, cases))
    lengths = [case.length for case in model.part.shapes]
    shape, rows = Shape.of(sc_training.backbone_config(), head=False), int(model.budget / cost(max(lengths)))
    flops = costs.forward_flops(shape, sum(lengths), sum(map(costs.full_area, lengths)), 0)
    run = torch.inference_mode()(partial(prediction.under_budget, model, model.part))
    sizes = f"{cases} cases of {max(lengths)} tokens"
    return Job("scoring", "SC scoring", sizes, shape, rows * max(lengths), flops, run)


def sc_trains(words: int, cases: int, threads: int) -> Job:
    """A classifier learns from some cases with R-Drop, whole optimiser steps."""
    setup = sc_training.Setup.load(one_length(words, cases), "float32", threads)
    shape = Shape.of(sc_training.backbone_config(), head=False)
    area = sum(map(costs.full_area, setup.lengths))
    flops = costs.full_step_flops(shape, 2 * sum(setup.lengths), 2 * area)
    sizes = f"{cases} cases of {max(setup.lengths)} tokens, two passes, steps of {setup.params.batch_size}"
    tokens = 2 * setup.params.batch_size * max(setup.lengths)
    run = partial(sc_training.epoch, setup, *sc_training.learner(setup), sc_training.OURS)
    return Job("training", "SC training", sizes, shape, tokens, flops, run)


def matrix_rate(
    shape: Shape, tokens: int, repetitions: int = 5, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> float:
    """FLOP/s of the model's own matrices, each multiplied with `tokens` rows, by medians."""

    def timed(rows: Tensor, weights: Tensor) -> float:
        start = time.perf_counter()
        torch.nn.functional.linear(rows, weights)
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    total = 0.0
    for matrix in shape.matrices:
        rows = torch.randn(tokens, matrix.inputs, device=device, dtype=dtype)
        weights = torch.randn(matrix.outputs, matrix.inputs, device=device, dtype=dtype)
        timed(rows, weights)
        total += statistics.median(timed(rows, weights) for _ in range(repetitions)) * matrix.count
    return 2 * shape.matrix_weights * tokens / total


def shares(run: Callable[[], object]) -> str:
    """Where the time of a run goes, in words."""
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        run()
    spent: Counter[str] = Counter()
    for event in recorded.key_averages():
        part = next((part for part, names in PARTS.items() if any(name in event.key for name in names)), "other")
        spent[part] += event.self_cpu_time_total
    whole = sum(spent.values())
    return "time: " + ", ".join(f"{part} {spent[part] / whole:.0%}" for part, _ in spent.most_common())


def result(job: Job, repetitions: int) -> measure.Result:
    """Measure a job and the products of its sizes in turn."""
    job.run()
    rates, seconds = [], []
    for _ in range(repetitions):
        rates.append(matrix_rate(job.shape, job.tokens))
        seconds += measure.in_turn({job.name: job.run}, 1)[job.name]
    rate = statistics.median(rates)
    return measure.Result(
        what=f"{job.name}, share of the matrix products' {rate / 1e9:.0f} GFLOP/s",
        sizes=job.sizes,
        ratio=job.flops / statistics.median(seconds) / rate,
        goal=GOALS[job.kind],
        seconds={job.name: seconds},
        note=shares(job.run),
    )


def jobs(quick: bool, threads: int) -> Iterator[Job]:
    """What is measured."""
    yield ar_scores(ar_scoring.Setup.load(threads), 60 if quick else 250)
    yield sc_scores(60, 16 if quick else 128)
    yield sc_trains(60, 8 if quick else 32, threads)
    if not quick:
        yield ar_trains(ar_training.load(threads), 250)


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    prepare_machine(Machine(device="cpu", dtype="float32", threads=options.threads))
    repetitions = 1 if options.quick else 5
    results = [result(job, repetitions) for job in jobs(options.quick, options.threads)]
    measure.report("utilisation", results, dtype="float32", threads=options.threads)


if __name__ == "__main__":
    main()
