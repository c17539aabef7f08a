"""Scoring by a language model: packed questions against three other ways: python benchmarks/ar_scoring.py [--quick].

SmolLM2-135M in float32 on the CPU answers all questions of a case. The other ways: one prompt at a time without a
cache (how the reference scores), the prompts of a case as one padded batch, and the prefix's key-value cache
repeated for a batch of questions. The limit is the ratio of model FLOPs of the first way to those of packed rows
with the true area of their mask.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import measure
import torch
from torch import Tensor

from abstractor.base.params import Params
from abstractor.data.cases.codebook import Codebook
from abstractor.handoff import costs
from abstractor.machine.compute import Compute, Inference, Machine, prepare_machine
from abstractor.models.ar import loading
from abstractor.models.ar.answers import answer_logits, pick
from abstractor.models.ar.prompts import Prompts
from abstractor.models.ar.rows import Batcher
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.training.ar.settings import ArModel

OURS, REFERENCE = "packed", "one prompt at a time"
MODEL = "ar_smollm2"
TOLERANCE = 1e-4
"""Of a probability."""
SIZES = {60: 2, 250: 1, 500: 1}
"""Words a case -> cases. One pass of all the ways takes minutes at 500 words."""
SLOW = 4
"""The slow ways are compared on every fourth question; packed rows always hold all."""


class Setup(NamedTuple):
    """A model and what makes its batches."""

    params: ArModel
    model: Any
    tokenizer: Any
    compute: Compute
    budget: int

    @classmethod
    def load(cls, threads: int) -> "Setup":
        """The model and the token budget of params.yaml, in float32 on the CPU."""
        compute = prepare_machine(Machine(device="cpu", dtype="float32", threads=threads))
        every = Params(measure.ROOT / "params.yaml", measure.ROOT / "dvc.yaml")
        params = every.get(f"models.{MODEL}", ArModel)
        folder = backbone_folder(params.backbone)
        model = loading.load_base(folder, compute.dtype, compute.device, params.attention)
        budget = every.get("infer", Inference).batch_tokens
        return cls(params, model, load_tokenizer(folder), compute, budget)

    def prompts(self, codebook: Codebook) -> Prompts:
        """The prompts of a codebook."""
        params = self.params
        return Prompts(self.tokenizer, codebook, params.max_tokens, params.system, params.questions)

    def batcher(self, prompts: Prompts) -> Batcher:
        """The project's batches."""
        return Batcher.of(self.params.layout, prompts, self.tokenizer, self.budget, self.compute)


class Cases(NamedTuple):
    """Tokenised cases and the questions that all get."""

    prefixes: list[list[int]]
    suffixes: list[list[int]]
    answers: list[list[int]]

    @classmethod
    def of(cls, corpus: measure.Corpus, prompts: Prompts) -> "Cases":
        """Tokenise the cases of a corpus."""
        reports = corpus.cases[list(corpus.codebook.narratives)].to_numpy().tolist()
        return cls([prompts.prefix(case) for case in reports], prompts.suffixes, prompts.answers)

    def every(self, step: int) -> "Cases":
        """The same cases with some of the questions."""
        return self._replace(suffixes=self.suffixes[::step], answers=self.answers[::step])

    def sizes(self, name: str) -> str:
        """What is measured, in words."""
        tokens = "/".join(str(len(prefix)) for prefix in self.prefixes)
        asked = sum(map(len, self.suffixes))
        return (
            f"{name}: {len(self.prefixes)} cases of {tokens} tokens, {len(self.suffixes)} questions of {asked} together"
        )


def packed(model: Any, batcher: Batcher, cases: Cases) -> Tensor:
    """This project's way; (B, Q, O) logits of the answers, as from the other ways."""
    width = max(map(len, cases.answers))
    found = torch.empty(len(cases.prefixes), len(cases.answers), width)
    for group in batcher.groups(cases.prefixes):
        found[group] = answer_logits(model, batcher.batch([cases.prefixes[n] for n in group]), cases.answers)
    return found


def one_at_a_time(model: Any, cases: Cases) -> Tensor:
    """One forward pass a case and question, no cache, the head at the last position only."""
    logits = [
        model(input_ids=torch.tensor([prefix + suffix]), use_cache=False, logits_to_keep=1).logits[0, -1]
        for prefix in cases.prefixes
        for suffix in cases.suffixes
    ]
    return _picked(logits, cases)


def padded_batch(model: Any, cases: Cases) -> Tensor:
    """All prompts of a case as one batch, padded on the left, so that every prompt ends at the last position."""
    logits: list[Tensor] = []
    for prefix in cases.prefixes:
        ids, mask = left_padded([prefix + suffix for suffix in cases.suffixes])
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        output = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=1
        ).logits
        logits += output[:, -1]
    return _picked(logits, cases)


def prefix_cache(model: Any, cases: Cases) -> Tensor:
    """The prefix once into a DynamicCache, repeated for the questions, which go as one batch padded on the left."""
    from transformers import DynamicCache

    logits: list[Tensor] = []
    ids, own = left_padded(cases.suffixes)
    for prefix in cases.prefixes:
        cache = DynamicCache(config=model.config)
        model(input_ids=torch.tensor([prefix]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(cases.suffixes))
        mask = torch.cat([own.new_ones(len(own), len(prefix)), own], dim=1)
        positions = (len(prefix) + own.cumsum(1) - 1).clamp(min=0)
        output = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
        ).logits
        logits += output[:, -1]
    return _picked(logits, cases)


OTHERS = {REFERENCE: one_at_a_time, "padded batch": padded_batch, "prefix cache": prefix_cache}


def left_padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(N, longest) ids and mask, 1 = token."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*[0] * (longest - len(row)), *row] for row in rows])
    return ids, torch.tensor([[*[0] * (longest - len(row)), *[1] * len(row)] for row in rows])


def _picked(logits: Sequence[Tensor], cases: Cases) -> Tensor:
    return pick(torch.stack(list(logits)).reshape(len(cases.prefixes), len(cases.answers), -1), cases.answers)


def limit(config: Any, cases: Cases) -> float:
    """FLOPs of one prompt at a time over those of packed rows with the true area of their mask."""
    shape = costs.Shape.of(config)
    asked = [len(suffix) for suffix in cases.suffixes]
    alone = together = 0.0
    for prefix in map(len, cases.prefixes):
        lengths = [prefix + suffix for suffix in asked]
        alone += sum(costs.forward_flops(shape, n, costs.causal_area(n), 1) for n in lengths)
        area = costs.packed_area(prefix, asked)
        together += costs.forward_flops(shape, prefix + sum(asked), area, len(asked))
    return alone / together


def difference(model: Any, batcher: Batcher, cases: Cases, way: str) -> float:
    """Largest difference of a probability between packed rows and another way; also warms both up."""
    step = 1 if way == "prefix cache" else SLOW
    ours = packed(model, batcher, cases).softmax(dim=2)[:, ::step]
    theirs = OTHERS[way](model, cases.every(step)).softmax(dim=2)
    return float((ours[:, :, : theirs.shape[2]] - theirs).abs().max())


def compare(setup: Setup, corpus: measure.Corpus, name: str, goal: float, repetitions: int) -> Iterator[measure.Result]:
    """Prove the same answers, then time all ways in turn.

    Args:
        setup: the model.
        corpus: the cases.
        name: of the corpus and its length.
        goal: share of the limit that packed rows should reach against the reference's way.
        repetitions: timed passes; the padded batch, as slow as the reference's way, gets one.
    """
    prompts = setup.prompts(corpus.codebook)
    cases, batcher, model = Cases.of(corpus, prompts), setup.batcher(prompts), setup.model
    differences = {way: difference(model, batcher, cases, way) for way in OTHERS}
    sides: dict[str, Any] = {OURS: partial(packed, model, batcher, cases)}
    sides |= {way: partial(score, model, cases) for way, score in OTHERS.items()}
    seconds: dict[str, list[float]] = {way: [] for way in sides}
    for turn in range(repetitions):
        due = {way: run for way, run in sides.items() if turn == 0 or way != "padded batch"}
        for way, found in measure.in_turn(due, 1).items():
            seconds[way] += found
    bound = limit(model.config, cases)
    for way in OTHERS:
        yield measure.Result(
            what=f"{OURS} against {way}",
            sizes=cases.sizes(name),
            ratio=measure.ratio(seconds, OURS, way),
            goal=goal * bound if way == REFERENCE else 1.0,
            same_answer=differences[way] <= TOLERANCE,
            difference=differences[way],
            limit=bound if way == REFERENCE else None,
            seconds=_pair(seconds, way),
            note=f"goal: {goal:.0%} of the limit" if way == REFERENCE else "",
        )


def _pair(seconds: Mapping[str, list[float]], way: str) -> dict[str, list[float]]:
    return {name: seconds[name] for name in (OURS, way)}


def scenes(quick: bool) -> Iterator[tuple[measure.Corpus, str, float]]:
    """Corpora of one length each, their names, and the share of the limit that is the goal."""
    drawn = measure.demo(20, 60)
    for words, count in [(60, 1)] if quick else SIZES.items():
        chosen = measure.with_words(drawn._replace(cases=drawn.cases.iloc[:count]), words)
        yield chosen, f"demo, {words} words", 1.0 if words >= 500 else 0.95
    if not quick and (public := measure.osha(1)) is not None:
        yield public, "osha", 0.95


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    setup = Setup.load(options.threads)
    results: list[measure.Result] = []
    with torch.inference_mode():
        for corpus, name, goal in scenes(options.quick):
            results += compare(setup, corpus, name, goal, repetitions=1 if options.quick else 3)
    measure.report("ar_scoring", results, model=MODEL, dtype="float32", threads=options.threads)


if __name__ == "__main__":
    main()
