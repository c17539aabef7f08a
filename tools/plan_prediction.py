"""What predicting costs: model FLOPs over what the card reaches of its peak, and the memory of the largest batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from plan_inputs import Load, backbone, forms, questions_of

from abstractor.base.members import read as read_members
from abstractor.base.params import Params
from abstractor.handoff import costs, trials
from abstractor.handoff.cards import Card
from abstractor.handoff.trials import Trial
from abstractor.machine.compute import Inference
from abstractor.models.ar.grouped_attention import EXACT_FOR
from abstractor.models.shared.batching import padded
from abstractor.training.ar.settings import ArModel
from abstractor.training.sc.settings import ScModel

UTILISATION = 15 / 65
"""Share of the peak that eager PyTorch reaches: 12 to 18 of a T4's 65 TFLOP/s are reported."""


@dataclass(frozen=True)
class Row:
    """The plan of one reader of a member."""

    model: str
    repo: str
    flops: float
    seconds: float
    alone: float
    """Seconds with one prompt at a time; for a classifier the same as `seconds`."""
    memory: float


def plan(params: Params, load: Load, card: Card, utilisation: float = UTILISATION) -> list[Row]:
    """One row a member, for one reader, in float16.

    Raises:
        PlanError: a backbone is neither fetched nor in recipes/shapes.yaml.
    """
    import torch

    members, budget, form = read_members(params), params.get("infer", Inference).batch_tokens, forms(params)
    book, rate, rows, memory = questions_of(params), card.rate * utilisation, [], dict[Any, float]()
    for name in members.names:
        run: partial[Trial]
        if members.kind(name) == "sc":
            classifier = params.get(f"models.{name}", ScModel)
            repo, config = backbone(params, classifier.backbone)
            length, a_case = _classifier_flops(classifier, form[name], config, load)
            alone = a_case
            run = partial(trials.score_sc, classifier, form[name], config, book, torch.float16, length, budget)
            same = (repo, form[name], length, classifier.max_tokens)
        else:
            model = params.get(f"models.{name}", ArModel)
            repo, config = backbone(params, model.backbone)
            asked = load.asked_as(model.questions, book)
            a_case, alone = _language_model_flops(model, config, asked)
            prefix = min(asked.prefix, model.max_tokens)
            run = partial(trials.score_ar, model, config, prefix, asked.spread, torch.float16, budget)
            same = (repo, model.layout, prefix, str((asked.asked, model.lora, model.quantize, model.attention)))
        if same not in memory:
            memory[same] = run().memory
        seconds = a_case * load.cases / rate
        rows.append(Row(name, repo, a_case * load.cases, seconds, alone * load.cases / rate, memory[same]))
    return rows


def _classifier_flops(model: ScModel, form: str, config: Any, load: Load) -> tuple[int, float]:
    """Tokens of a row, and FLOPs of a case."""
    rows = 2 if form == "apart" else 1
    length = min(padded(load.prefix // rows), model.max_tokens)
    shape = costs.Shape.of(config, head=False)
    return length, costs.forward_flops(shape, rows * length, rows * costs.full_area(length), 0)


def _language_model_flops(model: ArModel, config: Any, load: Load) -> tuple[float, float]:
    """FLOPs of a case, and with one prompt at a time."""
    shape, prefix = costs.Shape.of(config), min(load.prefix, model.max_tokens)
    length = prefix + load.asked
    # Elsewhere a dense mask is computed in full.
    area = costs.packed_area(prefix, load.spread) if config.model_type in EXACT_FOR else costs.full_area(length)
    packed = costs.forward_flops(shape, length, area, load.questions)
    alone = sum(costs.forward_flops(shape, prefix + n, costs.causal_area(prefix + n), 1) for n in load.spread)
    return packed, alone


def lines(rows: list[Row], load: Load, card: Card, utilisation: float, readers: int) -> Iterator[str]:
    """The plan as text."""
    yield (
        f"{card.title}: {load.cases} cases of {load.prefix} tokens, {load.questions} questions of {load.asked} tokens "
        f"together; {utilisation:.0%} of {card.rate / 1e12:.0f} TFLOP/s"
    )
    yield f"{'model, one reader':<24}{'backbone':<38}{'TFLOP':>8}{'seconds':>9}{'one prompt at a time':>22}{'GB':>7}"
    for row in rows:
        yield (
            f"{row.model:<24}{row.repo:<38}{row.flops / 1e12:>8.0f}{row.seconds:>9.0f}{row.alone:>22.0f}"
            f"{row.memory / 1e9:>7.1f}{'' if row.memory <= card.usable else f' (more than {card.title} has)'}"
        )
    seconds, alone = sum(row.seconds for row in rows), sum(row.alone for row in rows)
    yield (
        f"{len(rows)} models, one reader of each: {seconds / 60:.1f} min; "
        f"one prompt at a time {alone / 60:.1f} min, {alone / seconds:.1f} times as long"
    )
    if readers > 1:
        yield f"all {readers} readers of each, {readers * len(rows)} models: {readers * seconds / 60:.1f} min"
