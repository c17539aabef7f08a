"""One LoRA training step, packed against one prompt at a time: python benchmarks/ar_training.py [--quick].

SmolLM2-135M in float32 on the CPU, the adapter and the loss of params.yaml, the step of the optimiser included. The
other way, the reference's: a forward and a backward pass for every case and question, gradients accumulated, then
the same step. The limit is the ratio of model FLOPs with the true area of the packed mask.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import ar_scoring
import measure
import torch
from torch import Tensor

from abstractor.handoff import costs
from abstractor.models.ar import loading
from abstractor.models.ar.answers import pick
from abstractor.models.ar.prompts import Prompts
from abstractor.models.ar.rows import Batcher, option_targets
from abstractor.training.ar.losses import cross_entropy
from abstractor.training.ar.train import loss_function
from abstractor.training.lessons.targets import of_labels
from abstractor.training.loop.fit import decay_groups

OURS, REFERENCE = "packed", "one prompt at a time"
TOLERANCE = 1e-3
"""Of a gradient, relative to its norm."""
GOAL = 0.95
"""Share of the limit."""


class Task(NamedTuple):
    """Cases to learn from."""

    cases: ar_scoring.Cases
    targets: Tensor
    """(B, Q, O), of `option_targets`."""

    @classmethod
    def of(cls, corpus: measure.Corpus, prompts: Prompts) -> "Task":
        """Tokenise the cases of a corpus."""
        book = corpus.codebook
        targets = of_labels(book, corpus.labels.loc[corpus.cases.index])
        return cls(ar_scoring.Cases.of(corpus, prompts), torch.tensor(option_targets(book, targets)))


def packed(setup: ar_scoring.Setup, batcher: Batcher, task: Task) -> None:
    """Gradients of the mean loss in this project's way, one backward pass a micro-batch."""
    losses = loss_function(setup.params, task.cases.answers)
    for group in batcher.groups(task.cases.prefixes):
        batch = {"prompts": batcher.batch([task.cases.prefixes[n] for n in group]), "targets": task.targets[group]}
        torch.autograd.backward(losses(setup.model, batch).total.sum() / len(task.targets))


def one_at_a_time(setup: ar_scoring.Setup, task: Task) -> None:
    """The same gradients, one backward pass a case and coded question."""
    prefixes, suffixes, answers = task.cases
    for prefix, targets in zip(prefixes, task.targets, strict=True):
        coded = (~targets.isnan().any(dim=1)).nonzero().flatten().tolist()
        for question in coded:
            ids = torch.tensor([prefix + suffixes[question]])
            logits = pick(setup.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits, [answers[question]])
            target = targets[None, [question], : len(answers[question])]
            loss = cross_entropy(logits.log_softmax(dim=2), target).sum()
            torch.autograd.backward(loss / (len(coded) * len(task.targets)))


def gradients(model: Any, run: Any) -> dict[str, Tensor]:
    """What a way leaves in the adapter."""
    model.zero_grad()
    run()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Largest distance of a gradient from its other version, relative to the norm; infinite where one is missing."""
    if ours.keys() != theirs.keys() or not ours:
        return float("inf")
    return max(float((ours[name] - theirs[name]).norm() / theirs[name].norm()) for name in ours)


def limit(setup: ar_scoring.Setup, cases: ar_scoring.Cases) -> float:
    """FLOPs of one prompt at a time over those of packed rows with the true area of their mask."""
    shape, lora = costs.Shape.of(setup.model.config), setup.params.lora
    asked = [len(suffix) for suffix in cases.suffixes]

    def step(tokens: int, area: float, heads: int) -> float:
        return float(costs.lora_step_flops(shape, tokens, area, heads, lora.rank, lora.targets))

    alone = together = 0.0
    for prefix in map(len, cases.prefixes):
        alone += sum(step(prefix + own, costs.causal_area(prefix + own), 1) for own in asked)
        together += step(prefix + sum(asked), costs.packed_area(prefix, asked), len(asked))
    return alone / together


def compare(setup: ar_scoring.Setup, corpus: measure.Corpus, name: str, repetitions: int) -> measure.Result:
    """Prove the same gradients, then time the steps in turn."""
    model, prompts = setup.model, setup.prompts(corpus.codebook)
    task = Task.of(corpus, prompts)
    ways = {
        OURS: partial(packed, setup, setup.batcher(prompts), task),
        REFERENCE: partial(one_at_a_time, setup, task),
    }
    found = difference(*(gradients(model, run) for run in ways.values()))
    optimizer = torch.optim.AdamW(
        decay_groups(model.named_parameters(), setup.params.learning_rate, setup.params.weight_decay)
    )

    def step(run: Any) -> None:
        run()
        torch.nn.utils.clip_grad_norm_(model.parameters(), setup.params.clip)
        optimizer.step()
        optimizer.zero_grad()

    optimizer.zero_grad()
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repetitions):  # the comparison of gradients has warmed both up
        for way, took in measure.in_turn({way: partial(step, run) for way, run in ways.items()}, 1).items():
            seconds[way] += took
    bound = limit(setup, task.cases)
    return measure.Result(
        what=f"LoRA step, {OURS} against {REFERENCE}",
        sizes=task.cases.sizes(name),
        ratio=measure.ratio(seconds, OURS, REFERENCE),
        goal=GOAL * bound,
        same_answer=found <= TOLERANCE,
        difference=found,
        limit=bound,
        seconds=seconds,
        note=f"goal: {GOAL:.0%} of the limit; the difference is that of gradients, relative",
    )


def load(threads: int) -> ar_scoring.Setup:
    """The model of params.yaml with a LoRA whose two factors are both random: a fresh one has half its gradients 0."""
    setup = ar_scoring.Setup.load(threads)
    model = loading.add_lora(setup.model, setup.params.lora.model_copy(update={"dropout": 0.0}), seed=0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.01)
    return setup._replace(model=model.train(), budget=setup.params.micro_tokens)


def scenes(quick: bool) -> Iterator[tuple[measure.Corpus, str]]:
    """One case of each length; in a quick run with a few questions."""
    drawn = measure.demo(20, 60)
    book = replace(drawn.codebook, variables=drawn.codebook.variables[:6]) if quick else drawn.codebook
    one = drawn._replace(cases=drawn.cases.iloc[:1], codebook=book)
    for words in (60,) if quick else (60, 250):
        yield measure.with_words(one, words), f"demo, {words} words"


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    setup = load(options.threads)
    repetitions = 1 if options.quick else 3
    results = [compare(setup, corpus, name, repetitions) for corpus, name in scenes(options.quick)]
    measure.report("ar_training", results, model=ar_scoring.MODEL, dtype="float32", threads=options.threads)


if __name__ == "__main__":
    main()
