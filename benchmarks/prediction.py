"""Prediction in batches of one padded length under a token budget: python benchmarks/prediction.py [--quick].

Against fixed batches in file order, padded to their longest row, by the same models and the same code of a forward
pass, on cases whose lengths vary tenfold. In float32 on the CPU. The limit is the ratio of padded tokens.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import ar_scoring
import measure
import numpy as np
import pandas as pd
import torch

from abstractor.base.params import Params
from abstractor.machine.compute import Compute, Inference, Machine, prepare_machine
from abstractor.models.ar import answers
from abstractor.models.ar.answers import answer_logits
from abstractor.models.ar.rows import tokenise
from abstractor.models.sc import rows as inputs
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.columns import Layout, probabilities
from abstractor.models.sc.forms import FORMS
from abstractor.models.shared.batching import padded
from abstractor.predicting.predictor import Part, Predictor, Shape
from abstractor.training.sc.settings import ScModel

OURS = "under a token budget"
GOAL = 1.5
TOLERANCE = 1e-4
"""Of a probability."""
SHORTEST = {"sc1_minilm": 40, ar_scoring.MODEL: 100}
"""Words of the shortest case; the longest has ten times as many."""
FIXED = 16
"""Cases of a batch in file order."""
LAYERS = 6
"""Layers of the language model that are kept, of 30: the ratio does not depend on them, the minutes do."""


CPU = Compute(torch.device("cpu"), torch.float32, "asked for")


class Model(NamedTuple):
    """A model with its tokenised cases."""

    name: str
    corpus: measure.Corpus
    part: Part
    budget: int


def varied(corpus: measure.Corpus, shortest: int, seed: int = 20) -> measure.Corpus:
    """The corpus with lengths drawn evenly on a logarithmic scale, from `shortest` words to ten times as many."""
    words = np.rint(shortest * 10 ** np.random.default_rng(seed).random(len(corpus.cases))).astype(int)
    filled = [
        measure.with_words(corpus._replace(cases=corpus.cases.iloc[[row]]), int(count)).cases
        for row, count in enumerate(words)
    ]
    return corpus._replace(cases=pd.concat(filled))


def classifier(corpus: measure.Corpus) -> Model:
    """SC1 on MiniLM with a fresh head."""
    every = Params(measure.ROOT / "params.yaml", measure.ROOT / "dvc.yaml")
    params = every.get("models.sc1_minilm", ScModel)
    torch.manual_seed(0)
    model, layout = FORMS["concatenated"].build(params, corpus.codebook).eval(), Layout.of(corpus.codebook)
    tokenizer = load_tokenizer(params.backbone)
    builder = FORMS["concatenated"].rows(tokenizer, corpus.codebook, params.max_tokens)
    items = inputs.tokenise(tokenizer, corpus.codebook, corpus.cases, None)
    rows, targets = [builder.rows(narratives) for narratives in items["narratives"]], items["targets"]

    def score(group: list[int], length: int) -> np.ndarray:
        batch = inputs.micro_batch([rows[n] for n in group], [targets[n] for n in group], builder.special.pad, length)
        del batch["targets"]
        return probabilities(layout, model(**batch)).numpy()

    shapes = [Shape(padded(len(case[0])), 1) for case in rows]
    return Model("sc1_minilm", corpus, Part(shapes, score), every.get("infer", Inference).batch_tokens)


def language_model(corpus: measure.Corpus, threads: int) -> Model:
    """The first layers of SmolLM2, without an adapter."""
    setup = ar_scoring.Setup.load(threads)
    setup.model.model.layers = setup.model.model.layers[:LAYERS]
    prompts = setup.prompts(corpus.codebook)
    batcher = setup.batcher(prompts)
    prefixes = tokenise(prompts, corpus.codebook, corpus.cases, None)["prefix"]

    def score(group: list[int], length: int) -> np.ndarray:
        logits = answer_logits(setup.model, batcher.batch([prefixes[n] for n in group], length), prompts.answers)
        return answers.probabilities(logits, corpus.codebook)

    shapes = [Shape(padded(length), 1) for length in batcher.lengths(prefixes)]
    return Model(ar_scoring.MODEL, corpus, Part(shapes, score), setup.budget)


def in_file_order(part: Part) -> np.ndarray:
    """Probabilities of all cases, some at a time, padded to the longest of them."""
    shapes, found = part.shapes, []
    for start in range(0, len(shapes), FIXED):
        group = list(range(start, min(start + FIXED, len(shapes))))
        found.append(part.score(group, max(shapes[n].length for n in group)))
    return np.concatenate(found)


def under_budget(model: Model, part: Part) -> np.ndarray:
    """The same as the pipeline computes them."""
    predictor = Predictor(lambda _: part, model.corpus.codebook, CPU, model.budget)
    tables = predictor.predict([model.corpus.cases], len(model.corpus.cases), model.name)
    return pd.concat(tables).loc[model.corpus.cases.index].to_numpy()


def compare(model: Model, name: str, repetitions: int) -> measure.Result:
    """Prove the same probabilities, then time both in turn."""
    other, lengths = f"batches of {FIXED} in file order", [shape.length for shape in model.part.shapes]
    ways: dict[str, Callable[[Part], np.ndarray]] = {
        OURS: lambda part: under_budget(model, part),
        other: in_file_order,
    }
    tokens, found = {}, {}
    for way, run in ways.items():
        padding: list[int] = []

        def counted(group: list[int], length: int, padding: list[int] = padding) -> np.ndarray:
            padding.append(len(group) * length)
            return model.part.score(group, length)

        found[way] = run(Part(model.part.shapes, counted))
        tokens[way] = sum(padding)
    difference = float(np.abs(found[OURS] - found[other]).max())
    sides: dict[str, Callable[[], object]] = {way: partial(run, model.part) for way, run in ways.items()}
    seconds = measure.in_turn(sides, repetitions)
    return measure.Result(
        what=f"{model.name}, {OURS} against {other}",
        sizes=f"{name}: {len(lengths)} cases of {min(lengths)} to {max(lengths)} tokens",
        ratio=measure.ratio(seconds, OURS, other),
        goal=GOAL,
        same_answer=difference <= TOLERANCE,
        difference=difference,
        limit=tokens[other] / tokens[OURS],
        seconds=seconds,
        note="limit: the ratio of padded tokens",
    )


def scenes(quick: bool, threads: int) -> Iterator[tuple[Model, str]]:
    """Models with their cases."""
    for corpus in measure.corpora(24 if quick else 192, 60):
        yield classifier(varied(corpus, SHORTEST["sc1_minilm"])), corpus.name
    if not quick:
        yield language_model(varied(measure.demo(32, 60), SHORTEST[ar_scoring.MODEL]), threads), "demo"


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    prepare_machine(Machine(device="cpu", dtype="float32", threads=options.threads))
    with torch.inference_mode():
        results = [
            compare(model, name, 1 if options.quick else 3) for model, name in scenes(options.quick, options.threads)
        ]
    measure.report("prediction", results, dtype="float32", threads=options.threads)


if __name__ == "__main__":
    main()
