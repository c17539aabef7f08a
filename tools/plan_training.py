"""What training costs, by stage: the memory of the largest micro-batch, run dry, and hours of all of them.

Hours are model FLOPs of rows of the expected length, at the share of the card's rate that the kernels of the dry run
reach by the roofline. Left out, a few percent each: the optimiser, validation, reading and writing. Early stopping
makes them fewer. A plan: nothing in it is measured.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from plan_inputs import MASKED_TOKENS, Load, PlanError, backbone, forms, questions_of

from abstractor.base.members import ALL
from abstractor.base.members import read as read_members
from abstractor.base.params import Params
from abstractor.handoff import costs, trials
from abstractor.handoff.cards import LAUNCH, REACHED, STREAMED, Card
from abstractor.handoff.trials import Trial
from abstractor.models.ar.grouped_attention import EXACT_FOR
from abstractor.models.shared.lora import Lora
from abstractor.training.ar.settings import ArModel
from abstractor.training.loop.steps import Extra, epoch_sizes
from abstractor.training.sc.settings import ScModel
from abstractor.writing.engine.settings import MakeCases, Writer

TEXT_STEP = 1e-3
"""Seconds a layer and written token: eager generation waits for its host, whatever the card."""


@dataclass(frozen=True)
class Row:
    """The plan of one stage of one model or writer."""

    stage: str
    name: str
    runs: int
    """How often it runs: folds, mostly."""
    hours: float
    """Of one run."""
    memory: float | None = None
    """The most bytes at once; None: less than in training."""
    why: str = ""
    """What most of the memory is."""
    help: str = ""
    """What makes it less."""


class Trained(NamedTuple):
    """Trainings of a model that are alike: those of the folds, or that on all coded cases."""

    name: str
    """Of these beside the model's; the folds' have none."""
    seen: int
    """Folds that each learns from."""
    runs: int


@dataclass(frozen=True)
class Known:
    """What a model's hours follow from."""

    trial: Trial
    rate: float
    """FLOP/s that its kernels reach."""
    step: float
    """FLOPs to learn from a case."""
    forward: float
    """FLOPs to read one."""


class Plan:
    """Plans a parameter file for a card; trials of alike models are run once."""

    def __init__(self, params: Params, load: Load, card: Card, new_cases: int) -> None:
        """`new_cases`: to be predicted once everything is trained."""
        self.params, self.load, self.card, self.new_cases = params, load, card, new_cases
        self.book, self.form, self.members = questions_of(params), forms(params), read_members(params)
        self.folds = len(self.members.folds)
        self.trained = [Trained("", self.folds - 1, self.folds)]
        if ALL in self.members.readers:
            self.trained.append(Trained(f"/{ALL}", self.folds, 1))
        self._known: dict[str, Known] = {}

    def rows(self) -> Iterator[Row]:
        """Writers, then all trainings, then what they predict.

        Raises:
            PlanError: a backbone is neither fetched nor in recipes/shapes.yaml.
        """
        making, rewriting = (self.params.get(key, list[str]) for key in ("making", "rewriting"))
        for name in rewriting:
            yield self._writing("rewrite", name, 1, self.load.cases, self.load.prefix)
        for name in making:
            yield self._writing("make_cases", name, self.folds, self._asked(), 3 * self.load.prefix)
        for name in self.members.names:
            yield from (self._training(name, trained) for trained in self.trained)
        names = self.members.names
        teachers = [one["model"] for kind in ("sc", "ar") for one in self.params.get(f"teachers_{kind}", list[Any])]
        yield self._reading("oof", names, self.folds, self.load.cases / self.folds)
        if teachers:
            runs = sum(trained.runs for trained in self.trained)
            made = sum(trained.runs * self._made(trained) for trained in self.trained)
            yield self._reading("label_made", teachers, runs, made / runs)
        yield self._reading("infer_t4", names, len(self.members.readers), self.new_cases)

    def _training(self, name: str, trained: Trained) -> Row:
        known, design = self._of(name), self._design(name)
        learned = min(self.load.cases * trained.seen / self.folds, getattr(design, "train_cases", None) or 1e9)
        learned *= 0.9 if design.early_stopping else 1.0
        made = range(self._made(trained) if design.learns.made != "none" else 0)
        extra = Extra(made, design.made_ratio, design.made_epochs)
        sizes = epoch_sizes(round(learned), extra, design.batch_size, design.epochs, design.least_steps)
        hours = sum(sizes) * known.step / known.rate / 3600
        trial = known.trial
        parts = {
            "weights and gradients": trial.weights - trial.quantised,
            "optimiser": trial.optimiser,
            "activations": trial.activations,
        }
        most = max(parts, key=lambda part: parts[part])
        why = f"{parts[most] / 1e9:.1f} {most}"
        stage, title = f"train_{self.members.kind(name)}", f"{name}{trained.name}"
        return Row(stage, title, trained.runs, hours, trial.memory, why, _help(design, most))

    def _reading(self, stage: str, names: Sequence[str], runs: int, cases: float) -> Row:
        """What models predict, all of them in one row; as fast as they learn."""
        hours = sum(cases * known.forward / known.rate / 3600 for known in map(self._of, names))
        return Row(stage, f"models: {len(names)}", runs, hours)

    def _writing(self, stage: str, name: str, runs: int, texts: float, prompt: int) -> Row:
        writer = self.params.get(f"writers.{name}", Writer)
        _, config = backbone(self.params, writer.backbone)
        shape = costs.Shape.of(config)
        memory, a_token = costs.writing_bytes(shape, writer.batch_size, prompt, writer.max_new_tokens)
        token = max(a_token / (self.card.bandwidth * STREAMED), shape.layers * TEXT_STEP)
        hours = texts / writer.batch_size * self.load.prefix * token / 3600
        return Row(stage, name, runs, hours, memory, "weights and cache", f"writers.{name}.batch_size")

    def _asked(self) -> int:
        return int(self.params.get("make_cases", MakeCases).cases)

    def _made(self, trained: Trained) -> int:
        """Made cases that a student may see: those of all writers from the folds that it sees, none dropped."""
        return len(self.params.get("making", list[str])) * self._asked() * trained.seen

    def _design(self, name: str) -> ScModel | ArModel:
        kind: Any = ScModel if self.members.kind(name) == "sc" else ArModel
        design: ScModel | ArModel = self.params.get(f"models.{name}", kind)
        return design

    def _of(self, name: str) -> Known:
        design = self._design(name)
        alike = design.model_dump(exclude={"learns", "seed", "swap", "rewrite", "made_ratio", "made_epochs"})
        key = f"{self.form.get(name)} {alike}"
        if key not in self._known:
            self._known[key] = (
                self._classifier(design, self.form[name])
                if isinstance(design, ScModel)
                else self._language_model(design)
            )
        return self._known[key]

    def _classifier(self, design: ScModel, form: str) -> Known:
        import torch

        _, config = backbone(self.params, design.backbone)
        shape, rdrop = costs.Shape.of(config, head=False), self.params.get("rdrop", float)
        trial = trials.train_sc(design, form, rdrop, config, self.book, getattr(torch, self.card.dtype))
        rows = len(self.book.narratives) if form == "apart" else 1
        length = -(-self.load.prefix // rows) + (MASKED_TOKENS * len(self.book.variables) if form == "masked" else 0)

        def step(length: int) -> float:
            tokens, area = rows * length, rows * costs.full_area(length)
            return _step(shape, design.lora, tokens, area, 0, design.gradient_checkpointing) * (2 if rdrop else 1)

        length = min(length, design.max_tokens)
        forward = costs.forward_flops(shape, rows * length, rows * costs.full_area(length), 0)
        return Known(trial, self._rate(trial, step(design.max_tokens)), step(length), forward)

    def _language_model(self, design: ArModel) -> Known:
        import torch

        _, config = backbone(self.params, design.backbone)
        load = self.load.asked_as(design.questions, self.book)
        shape, questions, packed = costs.Shape.of(config), load.spread, design.layout == "packed"
        trial = trials.train_ar(design, config, questions, getattr(torch, self.card.dtype))
        heads = len(questions)

        def sizes(prefix: int) -> tuple[int, float]:
            length = prefix + sum(questions)
            if not packed:
                return prefix * heads + sum(questions), sum(costs.causal_area(prefix + count) for count in questions)
            exact = config.model_type in EXACT_FOR
            return length, costs.packed_area(prefix, questions) if exact else costs.full_area(length)

        def step(prefix: int) -> float:
            once = _step(shape, design.lora, *sizes(prefix), heads, design.gradient_checkpointing)
            return once * (2 if design.rdrop else 1)

        prefix = min(load.prefix, design.max_tokens)
        forward = costs.forward_flops(shape, *sizes(prefix), heads)
        return Known(trial, self._rate(trial, step(design.max_tokens)), step(prefix), forward)

    def _rate(self, trial: Trial, a_case: float) -> float:
        seconds = trial.run.seconds(self.card.rate * REACHED, self.card.bandwidth * STREAMED, LAUNCH)
        return trial.cases * a_case / seconds


def _step(shape: costs.Shape, lora: Lora | None, tokens: int, area: float, heads: int, recompute: bool) -> float:
    if lora is None:
        return costs.full_step_flops(shape, tokens, area, heads, recompute)
    return costs.lora_step_flops(shape, tokens, area, heads, lora.rank, lora.targets, recompute)


def _help(design: ScModel | ArModel, most: str) -> str:
    """What takes less memory, the surest first."""
    ways = []
    if isinstance(design, ScModel) and design.lora is None and design.optimizer == "adamw":
        ways.append("optimizer: adamw_8bit")
    if not design.gradient_checkpointing:
        ways.append("gradient_checkpointing: true")
    if design.ema:
        ways.append("ema: 0.0")
    if isinstance(design, ArModel) and design.quantize == "none":
        ways.append("quantize: nf4")
    if isinstance(design, ScModel) and design.lora is None:
        ways.append("a lora")
    fewer = "a smaller micro_tokens"
    return ", ".join([fewer, *ways] if most == "activations" else [*ways, fewer])


def check(rows: list[Row], card: Card) -> None:
    """Refuse what the card does not hold.

    Raises:
        PlanError: names each stage, what it takes and what helps.
    """
    beyond = [(row, row.memory) for row in rows if row.memory is not None and row.memory > card.usable]
    if beyond:
        limit = f"expected at most {card.usable / 1e9:.1f} GB, what {card.title} leaves to tensors, found"
        each = [f"  {row.stage} {row.name}: {memory / 1e9:.1f} GB; what helps: {row.help}" for row, memory in beyond]
        raise PlanError("\n".join([limit, *each]))


def table(row: Row) -> str:
    """A row as text."""
    memory = f"{row.memory / 1e9:>6.1f}" if row.memory is not None else f"{'':>6}"
    hours = f"{row.hours:>9.2f}{row.runs * row.hours:>9.2f}"
    return f"{row.stage:<16}{row.name:<22}{row.runs:>5}{memory}{hours}  {row.why}".rstrip()
