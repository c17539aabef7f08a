"""What predicting costs on a T4, counted before anything runs: python tools/t4_plan.py [--params FILE].

Model FLOPs over what a T4 reaches of its peak, and the memory of the largest batch; see `abstractor.handoff.costs`.
Nothing is fitted to a measured run of the models.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abstractor.base.errors import UserError
from abstractor.base.members import read as read_members
from abstractor.base.params import Params
from abstractor.base.script import run_script
from abstractor.base.yaml_file import read_yaml

ROOT = Path(__file__).parents[1]
PEAK = 65e12
"""FLOP/s of a T4 in float16 (data sheet)."""
UTILISATION = 15 / 65
"""Share of the peak that eager PyTorch reaches: 12 to 18 TFLOP/s are reported."""
MEMORY = 15e9
"""Bytes of a T4 that a process can have."""


class PlanError(UserError):
    """A model's size is not known here."""


@dataclass(frozen=True)
class Load:
    """What is to be predicted, and how fast."""

    cases: int
    prefix: int
    """Tokens of a case's narratives with the prompt around them."""
    asked: int
    """Tokens of all questions of a case together."""
    questions: int
    utilisation: float


@dataclass(frozen=True)
class Row:
    """The plan of one model and fold."""

    model: str
    repo: str
    flops: float
    seconds: float
    alone: float
    """Seconds with one prompt at a time; for a classifier the same as `seconds`."""
    memory: float


def plan(params: Params, load: Load) -> list[Row]:
    """One row a member, for one fold.

    Raises:
        PlanError: a backbone is neither fetched nor in recipes/shapes.yaml.
    """
    from abstractor.machine.compute import Inference
    from abstractor.training.ar.settings import ArModel
    from abstractor.training.sc.settings import ScModel

    members, budget = read_members(params), params.get("infer", Inference).batch_tokens
    apart = params.get("sc_2", list[str])
    rows = []
    for name in members.names:
        if members.kind(name) == "sc":
            rows.append(_classifier(params, name, params.get(f"models.{name}", ScModel), name in apart, load, budget))
        else:
            rows.append(_language_model(params, name, params.get(f"models.{name}", ArModel), load, budget))
    return rows


def _classifier(params: Params, name: str, model: Any, apart: bool, load: Load, budget: int) -> Row:
    from abstractor.handoff import costs
    from abstractor.models.shared.batching import cost, padded

    repo, config = backbone(params, model.backbone)
    shape = costs.Shape.of(config, head=False)
    rows = 2 if apart else 1
    length = min(padded(load.prefix // rows), model.max_tokens)
    a_case = costs.forward_flops(shape, rows * length, rows * costs.full_area(length), 0)
    batch = max(int(budget / cost(length)), 1)
    # Eager attention (DeBERTa): scores, position terms and their sum, for every head.
    scores = batch * length**2 * config.num_attention_heads * (4 if shape.relative else 1)
    memory = costs.inference_bytes(shape, "float32", batch * length, scores=scores)
    flops = a_case * load.cases
    seconds = flops / (PEAK * load.utilisation)
    return Row(name, repo, flops, seconds, seconds, memory)


def _language_model(params: Params, name: str, model: Any, load: Load, budget: int) -> Row:
    from abstractor.handoff import costs
    from abstractor.models.ar.grouped_attention import EXACT_FOR
    from abstractor.models.shared.batching import cost

    repo, config = backbone(params, model.backbone)
    shape = costs.Shape.of(config)
    prefix, suffix = min(load.prefix, model.max_tokens), load.asked / load.questions
    length = prefix + load.asked
    # Elsewhere a dense mask is computed in full.
    grouped = config.model_type in EXACT_FOR
    area = costs.packed_area(prefix, _spread(load)) if grouped else costs.full_area(length)
    packed = costs.forward_flops(shape, length, area, load.questions)
    alone = sum(costs.forward_flops(shape, prefix + n, costs.causal_area(prefix + n), 1) for n in _spread(load))
    batch = max(int(budget / cost(length)), 1)
    keys = round(batch * load.questions * (prefix + suffix)) if grouped else 0
    scores = 0 if grouped else batch * length**2 * config.num_attention_heads * 3  # scores, float32 softmax
    memory = costs.inference_bytes(
        shape, "float16", batch * length, keys, scores, batch * load.questions, model.quantize
    )
    rate = PEAK * load.utilisation
    flops = packed * load.cases
    return Row(name, repo, flops, flops / rate, alone * load.cases / rate, memory)


def _spread(load: Load) -> list[int]:
    """Question lengths that add up to `asked`."""
    short, longer = divmod(load.asked, load.questions)
    return [short + 1] * longer + [short] * (load.questions - longer)


def backbone(params: Params, name: str) -> tuple[str, Any]:
    """Where a backbone comes from, and its config: of the fetched folder, else by its published sizes."""
    from transformers import AutoConfig

    spec: dict[str, Any] = params.get(f"backbones.{name}", dict[str, Any])
    folder = ROOT / "models/backbones" / name
    origin = str(spec.get("repo") or spec.get("package") or spec.get("path"))
    if (folder / "config.json").is_file():
        return origin, AutoConfig.from_pretrained(folder, local_files_only=True)
    shapes = read_yaml(ROOT / "recipes/shapes.yaml")
    if origin not in shapes:
        raise PlanError(
            f"{origin}, the backbone {name}: its sizes are not known here; fetch it "
            f"(`dvc repro fetch_backbone@{name}`), or add its published sizes to recipes/shapes.yaml"
        )
    sizes = dict(shapes[origin])
    return origin, AutoConfig.for_model(sizes.pop("model_type"), **sizes)


def lines(rows: list[Row], load: Load, folds: int) -> Iterator[str]:
    """The plan as text."""
    yield (
        f"{load.cases} cases of {load.prefix} tokens, {load.questions} questions of {load.asked} tokens together; "
        f"{load.utilisation:.0%} of {PEAK / 1e12:.0f} TFLOP/s (eager PyTorch: 12 to 18 TFLOP/s)"
    )
    yield f"{'model, one fold':<24}{'backbone':<38}{'TFLOP':>8}{'seconds':>9}{'one prompt at a time':>22}{'GB':>7}"
    for row in rows:
        yield (
            f"{row.model:<24}{row.repo:<38}{row.flops / 1e12:>8.0f}{row.seconds:>9.0f}{row.alone:>22.0f}"
            f"{row.memory / 1e9:>7.1f}{' (more than a T4 has)' if row.memory > MEMORY else ''}"
        )
    seconds, alone = sum(row.seconds for row in rows), sum(row.alone for row in rows)
    yield (
        f"{len(rows)} model-folds, one of each model: {seconds / 60:.1f} min; "
        f"one prompt at a time {alone / 60:.1f} min, {alone / seconds:.1f} times as long"
    )
    if folds > 1:
        yield f"all {folds} folds, {folds * len(rows)} model-folds: {folds * seconds / 60:.1f} min"


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--prefix-tokens", type=int, default=600, help="of a case, default 600")
    parser.add_argument("--question-tokens", type=int, default=600, help="of all questions, default 600")
    parser.add_argument("--questions", type=int, default=23)
    parser.add_argument("--utilisation", type=float, default=UTILISATION, help="share of the peak, default 15/65")
    options = parser.parse_args()
    params = Params(options.params, ROOT / "dvc.yaml")
    load = Load(options.cases, options.prefix_tokens, options.question_tokens, options.questions, options.utilisation)
    for line in lines(plan(params, load), load, len(read_members(params).folds)):
        print(line)


if __name__ == "__main__":
    run_script(main)
