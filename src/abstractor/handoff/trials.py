"""The largest micro-batch of a training or a prediction, run dry: its memory and its kernels.

The models, masks and losses are those of a real run, built from a config in place of weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from abstractor.data.cases.codebook import Codebook
from abstractor.handoff import costs
from abstractor.handoff.dry_run import DryRun
from abstractor.machine.compute import Compute, autocast
from abstractor.models.ar import loading, packing
from abstractor.models.ar.answers import question_logits
from abstractor.models.sc import backbone, families
from abstractor.models.sc.classifier import Classifier, SequenceClassifier
from abstractor.models.sc.columns import Layout, variables
from abstractor.models.sc.mask_classifier import MaskedClassifier
from abstractor.models.sc.mask_prompt import Verbalizer
from abstractor.models.sc.rows import micro_batch
from abstractor.models.shared.attention_rules import Rule, choose_attention, rule
from abstractor.models.shared.batching import cost
from abstractor.training.ar.settings import ArModel
from abstractor.training.ar.train import loss_function as ar_losses
from abstractor.training.loop.callbacks import trainable
from abstractor.training.loop.faults import moments
from abstractor.training.loop.fit import LossFunction
from abstractor.training.sc import layer_rates
from abstractor.training.sc.settings import ScModel
from abstractor.training.sc.train import loss_function as sc_losses

_MASK, _TEXT = 1, 2
"""Ids in invented rows."""


@dataclass(frozen=True)
class Trial:
    """What was counted."""

    run: DryRun
    cases: int
    """Cases of the micro-batch."""
    weights: float
    """Bytes of all weights and, in training, of the gradients."""
    optimiser: float = 0.0
    """Bytes of Adam's moments and of averaged weights."""
    quantised: float = 0.0
    """Bytes that quantised weights save."""

    @property
    def memory(self) -> float:
        """The most bytes at once, CUDA's context included, fragmentation not."""
        return costs.CUDA_CONTEXT + self.run.peak + self.optimiser - self.quantised

    @property
    def activations(self) -> float:
        """Bytes that are neither weights, gradients nor optimiser: also autocast's copies of the weights."""
        return self.run.peak - self.weights


def cases_at_once(budget: float, length: int, rows: int) -> int:
    """How many cases of `rows` rows make a micro-batch under a token budget."""
    return max(int(budget / rows / cost(length)), 1)


def train_sc(design: ScModel, form: str, rdrop: float, config: Any, codebook: Codebook, dtype: torch.dtype) -> Trial:
    """One micro-batch of a classifier's training, its rows as long as they may be, gradients of another one in place.

    Args:
        design: of the model.
        form: a key of `forms.FORMS`.
        rdrop: weight of R-Drop.
        config: of the backbone.
        codebook: the variables.
        dtype: of the arithmetic.
    """
    run, length = DryRun(), _aligned(design.max_tokens)
    model = _classifier(run, design, form, config, codebook, dtype)
    rows = len(codebook.narratives) if form == "apart" else 1
    cases = min(cases_at_once(design.micro_tokens / (2 if rdrop else 1), length, rows), design.batch_size)
    batch = _rows(form, codebook, cases, rows, length)
    return _trained(run, model.train(), sc_losses(design, rdrop, Layout.of(codebook)), batch, design, cases, dtype)


def score_sc(
    design: ScModel, form: str, config: Any, codebook: Codebook, dtype: torch.dtype, length: int, budget: int
) -> Trial:
    """One forward pass of a classifier over rows of `length`, under a token budget; see `train_sc`."""
    run = DryRun()
    model = _classifier(run, design, form, config, codebook, dtype).eval()
    rows = len(codebook.narratives) if form == "apart" else 1
    batch = _rows(form, codebook, cases := cases_at_once(budget, length, rows), rows, length)
    del batch["targets"]
    return _scored(run, model, lambda: model(**batch), cases, dtype)


def train_ar(design: ArModel, config: Any, questions: list[int], dtype: torch.dtype) -> Trial:
    """One micro-batch of an adapter's training, its prefixes as long as they may be; see `train_sc`.

    Args:
        design: of the model; unsloth's kernels, which take less, are not known here.
        config: of the backbone.
        questions: tokens of each.
        dtype: of the arithmetic and of the frozen weights.
    """
    run, copies = DryRun(), 2 if design.rdrop else 1
    model = _language_model(run, design, config, dtype).train()
    packed, rows = design.layout == "packed", 1 if design.layout == "packed" else len(questions)
    length = _aligned(design.max_tokens + (sum(questions) if packed else max(questions)))
    cases = min(cases_at_once(design.micro_tokens / copies, length, rows), design.batch_size)
    targets = torch.zeros(cases, len(questions), 2)
    targets[..., 0] = 1
    batch = {"prompts": _prompts(packed, cases * copies, design.max_tokens, questions), "targets": targets}
    losses = ar_losses(design, [[_MASK, _TEXT]] * len(questions))
    saved = _saved(config, design, dtype)
    return _trained(run, model, losses, batch, design, cases, dtype, saved)


def score_ar(design: ArModel, config: Any, prefix: int, questions: list[int], dtype: torch.dtype, budget: int) -> Trial:
    """One forward pass of a language model over prefixes of a length, under a token budget; see `train_ar`."""
    run = DryRun()
    model = _language_model(run, design, config, dtype).eval()
    packed, rows = design.layout == "packed", 1 if design.layout == "packed" else len(questions)
    length = prefix + (sum(questions) if packed else max(questions))
    prompts = _prompts(packed, cases := cases_at_once(budget, length, rows), prefix, questions)
    saved = _saved(config, design, dtype)
    return _scored(run, model, lambda: question_logits(model, prompts).float(), cases, torch.float32, saved)


def _trained(
    run: DryRun,
    model: nn.Module,
    losses: LossFunction,
    batch: dict[str, Any],
    design: ScModel | ArModel,
    cases: int,
    dtype: torch.dtype,
    saved: float = 0.0,
) -> Trial:
    with run.here(), run.fake:
        for _, weight in trainable(model):
            weight.grad = torch.empty_like(weight)
    weights = run.live
    run.kernels.clear()
    with run.here():
        with autocast(_cpu(dtype), keep_copies=not design.gradient_checkpointing):
            loss = losses(model, batch).total.sum() / cases
        with run.fake:
            torch.autograd.backward(loss)
    averages = 4.0 * sum(weight.numel() for _, weight in trainable(model)) if design.ema else 0.0
    return Trial(run, cases, weights, moments(model, design.optimizer == "adamw_8bit") + averages, saved)


def _scored(
    run: DryRun, model: nn.Module, score: Callable[[], Tensor], cases: int, dtype: torch.dtype, saved: float = 0.0
) -> Trial:
    weights = run.live
    run.kernels.clear()
    with run.here(), torch.no_grad(), autocast(_cpu(dtype)):
        score()
    return Trial(run, cases, weights, quantised=saved)


def _cpu(dtype: torch.dtype) -> Compute:
    """Where tensors without numbers are: a CPU has all dtypes there."""
    return Compute(torch.device("cpu"), dtype, "")


def _classifier(
    run: DryRun, design: ScModel, form: str, config: Any, codebook: Codebook, dtype: torch.dtype
) -> SequenceClassifier:
    from transformers import AutoModel, AutoModelForMaskedLM

    # Flash attention takes less and needs its package: counted as the plain code.
    design = design.model_copy(update={"attention": "eager"}) if design.attention == "flash" else design
    families.configure(config, design.max_tokens)
    kind: Any = AutoModelForMaskedLM if form == "masked" else AutoModel
    attention = choose_attention(config, design.attention, dtype).name if rule(config) != Rule() else None
    with torch.device("meta"):
        base = backbone.to_train(kind.from_config(config, dtype=torch.float32, attn_implementation=attention), design)
    model: SequenceClassifier
    if form == "masked":
        model = MaskedClassifier(base, _words(codebook), design.head_dropout, "pretrained")
    else:
        model = Classifier(base, variables(codebook), design.pooling, design.head_dropout, design.head_samples)
    if design.frozen_layers is not None:
        layer_rates.freeze(model.backbone, design.frozen_layers)
    run.adopt(base)
    return model


def _language_model(run: DryRun, design: ArModel, config: Any, dtype: torch.dtype) -> nn.Module:
    from transformers import AutoModelForCausalLM

    kind: Any = AutoModelForCausalLM
    attention = choose_attention(config, design.attention, dtype).name
    with torch.device("meta"):
        model = loading.add_lora(
            kind.from_config(config, dtype=dtype, attn_implementation=attention), design.lora, seed=0
        )
    if design.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    run.adopt(model)
    return model  # type: ignore[no-any-return]


def _words(codebook: Codebook) -> Verbalizer:
    numbers = variables(codebook)
    return Verbalizer(_MASK, numbers, [_TEXT] * len(numbers), [-1] * len(numbers))


def _rows(form: str, codebook: Codebook, cases: int, rows: int, length: int) -> dict[str, Any]:
    masks = len(codebook.variables) if form == "masked" else 0
    row = [_MASK] * masks + [_TEXT] * (length - masks)
    return micro_batch([[row] * rows] * cases, [[0.0] * len(codebook.columns)] * cases, pad=0)


def _prompts(packed: bool, cases: int, prefix: int, questions: list[int]) -> packing.Batch:
    make = packing.pack if packed else packing.separate
    return make([[_TEXT] * prefix] * cases, [[_TEXT] * count for count in questions], multiple=8)


def _saved(config: Any, design: ArModel, dtype: torch.dtype) -> float:
    shape, name = costs.Shape.of(config), str(dtype).removeprefix("torch.")
    return costs.weight_bytes(shape, name) - costs.weight_bytes(shape, name, design.quantize)


def _aligned(length: int) -> int:
    return -(-length // 8) * 8
