"""Training a sequence classifier with R-Drop against three other ways: python benchmarks/sc_training.py [--quick].

MiniLM on the CPU with the values of params.yaml, whole optimiser steps with data loading. The other ways: one case
at a time with two passes, gradients accumulated (the reference's way); random batches padded to their longest row, as
the transformers Trainer's dynamic padding makes them, both passes in one doubled batch as here; and our batches with
PyTorch's own dropout and attention (`training.loop.cpu_kernels`).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import measure
import torch
from torch import Tensor, nn
from transformers import AutoConfig

from abstractor.base.params import Params
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.compute import Compute, Machine, autocast, prepare_machine
from abstractor.models.sc import rows
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.columns import Layout
from abstractor.models.sc.forms import FORMS
from abstractor.models.shared.local import backbone_folder
from abstractor.training.lessons.targets import of_labels
from abstractor.training.loop import cpu_kernels
from abstractor.training.loop.steps import Steps
from abstractor.training.sc.losses import rdrop_loss, supervised_loss
from abstractor.training.sc.settings import RDropWeight, ScModel
from abstractor.training.sc.train import loss_function, optimiser_groups, terms

MODEL = "sc1_minilm"
OURS, SINGLE, PADDED = "bucketed, one doubled batch", "one case at a time, two passes", "random padded batches"
STOCK = "the same with PyTorch's own dropout and attention"
GOALS = {SINGLE: 3.0, PADDED: 1.2, STOCK: 1.2}
TOLERANCE = 1e-3
"""Of a gradient, relative to its norm."""
NO_LIMIT = 10**9
"""Token budget that never cuts a batch."""

Step = list[Any]
"""Cases of one optimiser step."""


class Setup(NamedTuple):
    """A classifier in training, and cases."""

    params: ScModel
    rdrop: float
    compute: Compute
    builder: rows.RowBuilder
    layout: Layout
    items: list[Any]
    lengths: list[int]
    codebook: Codebook

    @classmethod
    def load(cls, corpus: measure.Corpus, dtype: str, threads: int) -> "Setup":
        """The classifier of params.yaml and the tokenised cases of a corpus."""
        every = Params(measure.ROOT / "params.yaml", measure.ROOT / "dvc.yaml")
        params, rdrop = every.get(f"models.{MODEL}", ScModel), every.get("rdrop", RDropWeight)
        compute = prepare_machine(Machine.model_validate({"device": "cpu", "dtype": dtype, "threads": threads}))
        tokenizer = load_tokenizer(params.backbone)
        builder = FORMS["concatenated"].rows(tokenizer, corpus.codebook, params.max_tokens)
        targets = of_labels(corpus.codebook, corpus.labels)
        items = list(rows.tokenise(tokenizer, corpus.codebook, corpus.cases, targets))
        lengths = [len(builder.rows(item["narratives"])[0]) for item in items]
        return cls(params, rdrop, compute, builder, Layout.of(corpus.codebook), items, lengths, corpus.codebook)

    def steps(self, pool: int) -> Iterable[Step]:
        """An epoch in the order of the product's sampler; a pool of 1 is random."""
        return [[self.items[n] for n in step] for step in Steps(self.lengths, self.params.batch_size, pool, seed=1)]

    def collate(self, budget: int, copies: int) -> Callable[[Step], list[dict[str, Any]]]:
        """The product's collation, without swaps, so that all ways read the same rows."""
        return rows.collator(self.builder, budget, copies)


def bucketed(setup: Setup, model: nn.Module, step: Step) -> None:
    """Gradients of a step in this project's way."""
    with cpu_kernels.installed(model, setup.compute.device):
        stock(setup, model, step)


def stock(setup: Setup, model: nn.Module, step: Step) -> None:
    """The same with PyTorch's own dropout and attention."""
    _backward(setup, model, setup.collate(setup.params.micro_tokens, 2)(step), len(step))


def padded(setup: Setup, model: nn.Module, step: Step) -> None:
    """The same of a step that is one batch, padded to its longest row."""
    _backward(setup, model, setup.collate(NO_LIMIT, 2)(step), len(step))


def _backward(setup: Setup, model: nn.Module, batches: list[dict[str, Any]], cases: int) -> None:
    losses = loss_function(setup.params, setup.rdrop, setup.layout)
    for batch in batches:
        with autocast(setup.compute):
            total = losses(model, batch).total.sum() / cases
        torch.autograd.backward(total)


def single(setup: Setup, model: nn.Module, step: Step) -> None:
    """The same, one case at a time, each read twice."""
    params, layout, added = setup.params, setup.layout, terms(setup.params)
    for item in step:
        (batch,) = setup.collate(NO_LIMIT, 1)([item])
        targets = batch.pop("targets")
        with autocast(setup.compute):
            first, second = model(**batch), model(**batch)
            loss = supervised_loss(layout, first, targets, added) + supervised_loss(layout, second, targets, added)
            total = loss / 2 + setup.rdrop * rdrop_loss(layout, first, second, params.rdrop_form)
        torch.autograd.backward(total.sum() / len(step))


WAYS = {OURS: bucketed, SINGLE: single, PADDED: padded, STOCK: stock}


def learner(setup: Setup) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A classifier with a fresh head, and the optimiser of the product."""
    torch.manual_seed(0)
    model = FORMS["concatenated"].build(setup.params, setup.codebook).train()
    return model, torch.optim.AdamW(optimiser_groups(model, setup.params), fused=True)


def backbone_config() -> Any:
    """The config of the classifier's backbone."""
    every = Params(measure.ROOT / "params.yaml", measure.ROOT / "dvc.yaml")
    folder = backbone_folder(every.get(f"models.{MODEL}", ScModel).backbone)
    return AutoConfig.from_pretrained(folder, local_files_only=True)


def gradients(model: nn.Module, run: Callable[[], None]) -> dict[str, Tensor]:
    """What a way leaves in the weights."""
    model.zero_grad()
    run()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def difference(setup: Setup, way: str) -> float:
    """Largest distance of a gradient from ours, relative to the norm of all; without dropout, in float32.

    Relative to the norm of all gradients: those of the keys' biases are 0 but for rounding.
    """
    plain = setup._replace(compute=Compute(setup.compute.device, torch.float32, "for the proof"))
    model, _ = learner(setup)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    step = setup.items[: setup.params.batch_size]
    ours, theirs = (gradients(model, partial(WAYS[name], plain, model, step)) for name in (OURS, way))
    if ours.keys() != theirs.keys():
        return float("inf")
    norm = max(float(gradient.norm()) for gradient in theirs.values())
    return max(float((ours[name] - theirs[name]).norm()) for name in ours) / norm


def epoch(setup: Setup, model: nn.Module, optimizer: torch.optim.Optimizer, way: str) -> None:
    """All steps of an epoch in one way."""
    for step in setup.steps(setup.params.pool if way in (OURS, STOCK) else 1):
        WAYS[way](setup, model, step)
        torch.nn.utils.clip_grad_norm_(model.parameters(), setup.params.clip)
        optimizer.step()
        optimizer.zero_grad()


def compare(setup: Setup, name: str, repetitions: int) -> Iterator[measure.Result]:
    """Prove the same gradients, then time epochs in turn."""
    differences = {way: difference(setup, way) for way in GOALS}
    model, optimizer = learner(setup)
    epoch(setup._replace(items=setup.items[:8], lengths=setup.lengths[:8]), model, optimizer, OURS)
    seconds = measure.in_turn({way: partial(epoch, setup, model, optimizer, way) for way in WAYS}, repetitions)
    cases, dtype, size = len(setup.items), setup.compute.dtype, setup.params.batch_size
    tokens = f"{min(setup.lengths)} to {max(setup.lengths)} tokens, mean {sum(setup.lengths) / len(setup.lengths):.0f}"
    for way, goal in GOALS.items():
        yield measure.Result(
            what=f"SC training, {OURS}, against {way}",
            sizes=f"{name}, {dtype}: {cases} cases of {tokens}, steps of {size}",
            ratio=measure.ratio(seconds, OURS, way),
            goal=goal,
            same_answer=differences[way] <= TOLERANCE,
            difference=differences[way],
            limit=padded_tokens(setup, 1) / padded_tokens(setup, setup.params.pool) if way == PADDED else None,
            seconds={side: seconds[side] for side in (OURS, way)},
            note="limit: the ratio of padded tokens; the difference is that of gradients without dropout, relative",
        )


def padded_tokens(setup: Setup, pool: int) -> int:
    """Tokens of an epoch's batches with their padding."""
    steps = Steps(setup.lengths, setup.params.batch_size, pool, seed=1)
    return sum(len(step) * max(setup.lengths[n] for n in step) for step in steps)


def scenes(quick: bool) -> Iterator[tuple[measure.Corpus, str]]:
    """Corpora and arithmetic: float32, and on the public corpus what the processor is fastest in."""
    for corpus in measure.corpora(24 if quick else 48, 60):
        yield corpus, "auto" if corpus.name == "osha" and not quick else "float32"


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    results: list[measure.Result] = []
    for corpus, dtype in scenes(options.quick):
        setup = Setup.load(corpus, dtype, options.threads)
        results += compare(setup, corpus.name, 1 if options.quick else 3)
    measure.report("sc_training", results, model=MODEL, threads=options.threads)


if __name__ == "__main__":
    main()
