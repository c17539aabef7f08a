"""What a parameter file costs on a GPU, counted before anything runs: python tools/plan.py train|predict [--params F].

The file is a whole one or a recipe. Memory comes from a dry run of the largest batch, time from counted FLOPs; see
`abstractor.handoff`. Nothing is fitted to a measured run of the models.
"""

import argparse
from pathlib import Path

import plan_inputs
from plan_inputs import Load, PlanError

from abstractor.base.params import PARAMS, Params
from abstractor.base.script import run_script
from abstractor.handoff.cards import CARDS, Card

CARD = "4090"
"""Trained on where neither the command nor recipes/cards.yaml names another."""


def train(params: Params, load: Load, card: Card, new_cases: int) -> None:
    """Print the plan of all trainings and what they need and lead to.

    Raises:
        PlanError: something does not fit the card.
    """
    import plan_training

    print(
        f"{card.title}, {card.usable / 1e9:.1f} GB for tensors; planned, not measured\n"
        f"{load.cases} cases of {load.prefix} tokens, {load.questions} questions of {load.asked} tokens together, "
        f"{new_cases} new cases"
    )
    print(f"{'stage':<16}{'model or writer':<22}{'runs':>5}{'GB':>6}{'hours':>9}{'in all':>9}  most of the memory, GB")
    rows = []
    for row in plan_training.Plan(params, load, card, new_cases).rows():
        rows.append(row)
        print(plan_training.table(row), flush=True)
    most, hours = max(row.memory or 0 for row in rows), sum(row.runs * row.hours for row in rows)
    print(f"at most {most / 1e9:.1f} GB, {hours:.1f} hours in all")
    plan_training.check(rows, card)


def predict(params: Params, load: Load, card: Card, utilisation: float | None) -> None:
    """Print the plan of predicting."""
    import plan_prediction

    from abstractor.base.members import read as read_members

    share = utilisation or plan_prediction.UTILISATION
    rows = plan_prediction.plan(params, load, card, share)
    for line in plan_prediction.lines(rows, load, card, share, len(read_members(params).readers)):
        print(line)


def main() -> None:
    """Print the plan that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["train", "predict"])
    parser.add_argument("--params", type=Path, default=PARAMS, help="a whole file, or recipes/NAME.yaml")
    parser.add_argument("--card", default="", help=f"one of {', '.join(CARDS)}")
    parser.add_argument("--cases", type=int, help="default 4000 to learn from, 1000 to predict")
    parser.add_argument("--new-cases", type=int, default=1000, help="after training, default 1000")
    parser.add_argument("--prefix-tokens", type=int, default=600, help="of a case, default 600")
    parser.add_argument("--question-tokens", type=int, default=600, help="of all questions, asked apart; default 600")
    parser.add_argument("--questions", type=int, default=23)
    parser.add_argument("--utilisation", type=float, help="share of the peak in predicting, default 15/65")
    options = parser.parse_args()
    training = options.what == "train"
    named = options.card or (plan_inputs.card_of(options.params) or CARD if training else "T4")
    if named not in CARDS:
        raise PlanError(f"--card: expected one of {', '.join(CARDS)}, found {named}")
    cases = options.cases or (4000 if training else 1000)
    load = Load(cases, options.prefix_tokens, options.question_tokens, options.questions)
    params = plan_inputs.read(options.params)
    if training:
        train(params, load, CARDS[named], options.new_cases)
    else:
        predict(params, load, CARDS[named], options.utilisation)


if __name__ == "__main__":
    run_script(main)
