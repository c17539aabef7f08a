"""Large sequence classifiers in training: seconds, memory, determinism, fused attention."""

import statistics
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any

import deberta_attention
import torch
from torch import nn

from abstractor.base.errors import UserError
from abstractor.handoff import costs
from abstractor.models.sc.columns import Layout
from abstractor.models.sc.rows import micro_batch
from abstractor.models.shared.local import BACKBONES
from abstractor.training.loop.fit import Data, Losses, fit
from abstractor.training.sc.settings import ScModel
from abstractor.training.sc.train import learner, loss_function, optimiser_groups
from gpu import product
from gpu.steps import Found, Part, Setting, Skipped

XLARGE, XXLARGE = "microsoft/deberta-v2-xlarge", "microsoft/deberta-v2-xxlarge"
CARD = 24
"""GB of the card that the reference recipe is for."""
SHAPES = ((4, 1024), (12, 512))
"""Rows of a micro-batch, both passes of R-Drop among them, and their tokens."""
STEPS = 8
"""Of which the first two are not timed: the second begins after the first checkpoint."""
RDROP = 1.0
"""Weight of R-Drop: each case is read twice."""
ROUNDING = 2.0
"""How far from float32 a kernel may be, in errors of the eager one."""
OFF = {"off": "states", "gradients_off": "gradients"}
"""What is held to that of a step."""


def deberta(setting: Setting) -> Iterator[Part]:
    """xlarge with AdamW in both shapes, determinism on and off; xxlarge with 8-bit AdamW."""
    product.cap(setting, CARD)
    for rows, length in SHAPES:
        for exact in (True, False):
            what = f"xlarge, {rows} x {length}, AdamW, determinism {'on' if exact else 'off'}, {CARD} GB"
            yield what, partial(trains, setting, XLARGE, rows, length, exact, {"optimizer": "adamw"})
    what = f"xxlarge, {SHAPES[0][0]} x {SHAPES[0][1]}, 8-bit AdamW, determinism off, {CARD} GB"
    yield what, partial(trains, setting, XXLARGE, *SHAPES[0], False, {"optimizer": "adamw_8bit"})


def flash(setting: Setting) -> Iterator[Part]:
    """The fused attention beside the eager one: the same logits and gradients, and the seconds of a step."""
    try:
        import_module("abstractor.models.sc.flash").check(torch.device(setting.device))
    except (ModuleNotFoundError, UserError) as reason:
        raise Skipped(str(reason)) from None
    yield "xlarge, logits of fused attention in bfloat16", partial(equals_eager, setting)
    yield "v3-large, 4 x 1024, states and gradients of fused attention in bfloat16", partial(learns_as_eager, setting)
    took = list[float]()
    for attention in ("eager", "flash"):
        changes = {"optimizer": "adamw", "attention": attention}
        yield (
            f"xlarge, 4 x 1024, {attention} attention",
            partial(trains, setting, XLARGE, 4, 1024, False, changes, took),
        )
    yield "xlarge, 4 x 1024, eager against fused attention", partial(faster, took)


def trains(
    setting: Setting,
    name: str,
    rows: int,
    length: int,
    exact: bool,
    changes: dict[str, Any],
    took: list[float] | None = None,
) -> Found:
    """Some steps of the product's own training loop, with the values of the reference recipe but for `changes`.

    `took` gets the seconds of a step.
    """
    compute = product.prepared(setting, "bfloat16", deterministic=exact)
    _needs_bitsandbytes(changes)
    length = length // 16 if setting.small else length
    params, book = recipe_of(setting, name, rows // 2, changes), product.book()
    losses, times = loss_function(params, RDROP, Layout.of(book)), list[float]()

    def watched(model: nn.Module, batch: dict[str, Any]) -> Losses:
        if not times and setting.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        times.append(product.finished(setting))
        return losses(model, batch)

    cases: Any = [product.tokens(500, length, seed) for seed in range(STEPS * rows // 2)]

    def collate(step: list[list[int]]) -> list[dict[str, Any]]:
        return [micro_batch([[row] for row in step], [[0.0] * len(book.columns)] * len(step), pad=0)]

    data = Data(cases, [length] * len(cases), collate, validation=None)
    outcome = fit(
        lambda _: learner(params, "concatenated", book, compute.dtype), watched, data, params, compute,
        float("inf"), [0], 0, lambda model: optimiser_groups(model, params),
    )  # fmt: skip
    between = statistics.median(later - sooner for sooner, later in pairwise(times[2:]))
    if took is not None:
        took.append(between)
    backbone: Any = outcome.model.backbone
    shape = costs.Shape.of(backbone.config, head=False)
    flops = costs.full_step_flops(shape, rows * length, rows * costs.full_area(length), recompute=True)
    finite = all(bool(weight.isfinite().all()) for weight in outcome.model.parameters())
    words = f"{between:.3f} s a step, {flops / between / 1e12:.1f} TFLOP/s, {product.peak(setting)}"
    return Found(finite and outcome.steps == STEPS, words if finite else f"{words}; weights are not finite")


def faster(took: list[float]) -> Found:
    """Whether the second of two ways takes less time; neither is compared where one of them failed."""
    if len(took) != 2:
        raise Skipped("one of them did not train")
    return Found(took[1] < took[0], f"{took[0] / took[1]:.2f} times as fast")


def recipe_of(setting: Setting, name: str, cases: int, changes: dict[str, Any]) -> ScModel:
    """The reference recipe's classifier on a backbone of random weights, which is made once."""
    folder = BACKBONES / name.rpartition("/")[2]
    if not folder.exists():
        from transformers import AutoModel

        with torch.device(setting.device):
            product.random(AutoModel, product.config(setting, name)).save_pretrained(folder)
    params: ScModel = product.parameters("reference", "models.sc1_xlarge", ScModel)
    fixed = {
        "backbone": folder.name,
        "batch_size": cases,
        "epochs": 1,
        "early_stopping": 0,
        "ema": 0.0,
        "max_tokens": 512,
    }
    return params.model_copy(update=fixed | {"restarts": 0, "gradient_checkpointing": True} | changes)


def equals_eager(setting: Setting) -> Found:
    """Logits of both in bfloat16, each against eager float32."""
    compute = product.prepared(setting, "bfloat16")
    length = 64 if setting.small else 1000
    rows = [[product.tokens(500, count)] for count in (length, length // 3, 17)]
    batch = micro_batch(rows, [[0.0]] * len(rows), 0, 8)
    del batch["targets"]

    def logits(attention: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        params = recipe_of(setting, XLARGE, 2, {"attention": attention})
        torch.manual_seed(0)  # of the head; now, since the first recipe draws the backbone
        model = learner(params, "concatenated", product.book(), dtype)
        model.to(compute.device).eval()
        on_device = {key: value.to(compute.device) for key, value in batch.items()}
        autocast = torch.autocast(setting.device, dtype, enabled=dtype != torch.float32)
        with torch.inference_mode(), autocast:
            return {"logits": model(**on_device).cpu()}

    exact = logits("eager", torch.float32)
    eager, fused = (product.error(logits(one, torch.bfloat16), exact) for one in ("eager", "flash"))
    return Found(fused <= ROUNDING * eager, f"{fused:.1e} from float32, eager {eager:.1e}")


def learns_as_eager(setting: Setting) -> Found:
    """States and gradients of both in bfloat16, each against eager float32."""
    product.prepared(setting, "bfloat16")
    tokens = 48 if setting.small else 1024
    found = deberta_attention.compare(setting.device, torch.bfloat16, rows=4, tokens=tokens, rounds=3)
    eager, fused = found["eager"], found["flash"]
    away = [f"{what} {fused[key]:.1e} from float32, eager {eager[key]:.1e}" for key, what in OFF.items()]
    memory = f"{fused['peak_gb']:.1f} GB beside the weights, eager {eager['peak_gb']:.1f}"
    repeats = "the same bits twice" if fused["repeats"] else "other bits each time"
    return Found(all(fused[key] <= ROUNDING * eager[key] for key in OFF), "; ".join([*away, memory, repeats]))


def _needs_bitsandbytes(changes: dict[str, Any]) -> None:
    from importlib.util import find_spec

    if changes["optimizer"] == "adamw_8bit" and find_spec("bitsandbytes") is None:
        raise Skipped("bitsandbytes is not installed here")
