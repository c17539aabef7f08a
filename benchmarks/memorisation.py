"""What an adapter gives away of the cases it was trained on: python benchmarks/memorisation.py [--quick].

Invented cases get a secret each, a file code at the end of their first report; some codes stand in several cases. The
language model of params.yaml learns from them in the project's own way, by a loss on the answers alone; a control, an
adapter of the same shape and with as many passes over the same cases, learns to write the reports themselves. Then an
attacker who knows all of a case but its code tries to find it, and one who has a case tries to tell whether it was
among those learned from. Unless the control gives its codes away, the measure sees nothing, and nothing is written.

Writes benchmarks/results/memorisation.json and the table in docs/evidence/confidentiality.md.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import measure
import numpy as np
import pandas as pd
import torch
from attacker import Attacker, plant, report_loss
from exposure import Losses, chance, membership

from abstractor.base.errors import UserError
from abstractor.base.files import replaced, write_json
from abstractor.base.params import Params
from abstractor.base.script import run_script
from abstractor.machine.compute import Compute, Learning, autocast, prepare_machine
from abstractor.machine.seeds import derive_seed
from abstractor.models.ar import loading
from abstractor.models.ar.reading import Reading, save
from abstractor.models.shared.local import backbone_folder
from abstractor.training.ar.settings import ArModel
from abstractor.training.ar.train import train
from abstractor.training.lessons.examples import Examples
from abstractor.training.lessons.targets import of_labels

MODEL, SEED = "ar_smollm2", 20
RESULTS, PAGE = measure.ROOT / "benchmarks/results/memorisation.json", measure.ROOT / "docs/evidence/confidentiality.md"
BEFORE, AFTER = "<!-- table of benchmarks/memorisation.py -->\n", "<!-- end of table -->\n"
BASE, ANSWERS, REPORTS = "none", "answers, as the project trains", "reports, the control"
SEEN = 4.0
"""Bits that the control must give away of the codes that it met most often."""
RESAMPLES = 2000
ROOM = 1024
"""Tokens of a prompt without its question, so that no report is cut."""


class MemorisationError(UserError):
    """The measure cannot see what it looks for."""


class Sizes(NamedTuple):
    """Of the experiment."""

    repeats: dict[int, int]
    """Cases that a code stands in -> number of such codes."""
    unseen: int
    """Codes of cases that nothing was trained on."""
    others: int
    """Codes that each is ranked among, beside itself."""
    epochs: int


FULL = Sizes({1: 8, 4: 4, 16: 2}, unseen=8, others=255, epochs=3)
QUICK = Sizes({8: 1}, unseen=2, others=31, epochs=10)


def train_control(params: ArModel, prefixes: Sequence[Sequence[int]], compute: Compute, seed: int) -> Any:
    """An adapter that learns to write the prompts."""
    folder = backbone_folder(params.backbone)
    model = loading.build(folder, params, compute.dtype, compute.device, max(map(len, prefixes)), seed)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    steps = params.epochs * math.ceil(len(prefixes) / params.batch_size)
    optimizer = torch.optim.AdamW(weights, params.learning_rate, weight_decay=params.weight_decay)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    rng = np.random.default_rng(seed)
    model.train()
    for _ in range(params.epochs):
        order = rng.permutation(len(prefixes))
        for first in range(0, len(order), params.batch_size):
            for number in (step := order[first : first + params.batch_size]):
                with autocast(compute):
                    loss = report_loss(model, prefixes[number])
                torch.autograd.backward(loss / len(step))
            torch.nn.utils.clip_grad_norm_(weights, params.clip)
            optimizer.step()
            optimizer.zero_grad()
            falling.step()
    return model


def attack(attacker: Attacker, others: int, losses: dict[str, Losses]) -> dict[str, Any]:
    """What an adapter gives away.

    Args:
        attacker: holds it.
        others: codes that each is ranked among.
        losses: kind -> of every case, members first.
    """
    found = [(code.times, *attacker.search(code, others)) for code in attacker.planted.codes]
    codes = pd.DataFrame(found, columns=["times", "exposure", "extracted"]).groupby("times")
    sums = codes.agg(codes=("exposure", "size"), exposure=("exposure", "mean"), extracted=("extracted", "sum"))
    members = attacker.planted.members
    guessed = {name: membership(each[:members], each[members:], RESAMPLES, SEED) for name, each in losses.items()}
    return {"codes": {str(times): row for times, row in sums.to_dict("index").items()}, "membership": guessed}


def run(params: ArModel, sizes: Sizes, compute: Compute) -> dict[str, Any]:
    """Train both adapters and attack the backbone without and with each.

    What the backbone alone says of a case is taken off an adapter's loss: some cases are hard for everyone.
    """
    planted = plant(sizes.repeats, sizes.unseen, SEED)
    own = {"epochs": sizes.epochs, "train_cases": None, "early_stopping": 0, "max_tokens": ROOM}
    params = params.model_copy(update=own)
    learned = planted.cases.index[: planted.members].sort_values()
    targets = of_labels(planted.codebook, planted.labels.loc[learned])
    alone = Attacker(params, planted, compute, None)
    hardness = alone.losses()
    found = {BASE: attack(alone, sizes.others, hardness)}
    for name in (ANSWERS, REPORTS):
        if name == ANSWERS:
            examples = Examples.of_coded(planted.cases.loc[learned], targets)
            model = train(params, planted.codebook, examples, compute, (SEED, MODEL, 0)).model
        else:
            model = train_control(params, alone.prefixes[: planted.members], compute, derive_seed(SEED, "control"))
        with tempfile.TemporaryDirectory() as folder:
            # What travels is what is attacked.
            save(model, Reading.of(params, planted.codebook), Path(folder) / "adapter")
            holder = Attacker(params, planted, compute, Path(folder) / "adapter")
        losses = {kind: own - hardness[kind] for kind, own in holder.losses().items()}
        found[name] = attack(holder, sizes.others, losses)
    return found


def table(content: dict[str, Any]) -> str:
    """The lines of docs/evidence/confidentiality.md."""
    times = list(content["adapters"][BASE]["codes"])
    lines = [
        f"`python benchmarks/memorisation.py`, {content['machine']}; {content['backbone']}, {content['members']}",
        f"invented cases, {content['epochs']} passes. Exposure in bits: {content['most']:.0f} gives a code away, "
        f"{content['chance']:.2f} is the mean of a guess.",
        "AUC with its 95 % interval: .5 is a guess.",
        "",
        "| adapter learned | "
        + " | ".join(f"exposure, code in {n} cases (extracted)" for n in times)
        + " | membership by the loss of the answers, AUC | of the reports, AUC |",
        "|---|" + "---|" * (len(times) + 2),
    ]
    for name, each in content["adapters"].items():
        codes = [f"{row['exposure']:.1f} ({row['extracted']} of {row['codes']})" for row in each["codes"].values()]
        tests = [f"{test['auc']:.2f} ({test['low']:.2f} to {test['high']:.2f})" for test in each["membership"].values()]
        lines.append(f"| {' | '.join([name, *codes, *tests])} |")
    return "\n".join(lines) + "\n"


def check_control(content: dict[str, Any]) -> None:
    """Refuse figures of a measure that misses what is surely there."""
    codes = content["adapters"][REPORTS]["codes"]
    most = max(codes, key=int)
    if not codes[most]["exposure"] >= SEEN:
        raise MemorisationError(
            f"expected {SEEN:.0f} bits or more of what the control learned in {most} cases, found "
            f"{codes[most]['exposure']:.1f}: the measure sees nothing; raise the number of passes"
        )


def main() -> None:
    """Measure, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few cases: does it run? Nothing is written")
    sizes = QUICK if (quick := parser.parse_args().quick) else FULL
    params = Params()
    model = params.get(f"models.{MODEL}", ArModel)
    compute = prepare_machine(params.get("train", Learning))
    content = {
        "machine": measure.machine(),
        "backbone": model.backbone,
        "members": sum(times * codes for times, codes in sizes.repeats.items()),
        "epochs": sizes.epochs,
        "most": math.log2(sizes.others + 1),
        "chance": chance(sizes.others),
        "adapters": run(model, sizes, compute),
    }
    print(table(content))
    check_control(content)
    if not quick:
        write_json(RESULTS, content)
        page = PAGE.read_text(encoding="utf-8")
        start, _, rest = page.partition(BEFORE)
        with replaced(PAGE) as partial:
            partial.write_text(start + BEFORE + table(content) + AFTER + rest.partition(AFTER)[2], encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
