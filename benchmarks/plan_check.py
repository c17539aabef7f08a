"""Counted costs against measured runs: python benchmarks/plan_check.py [--quick].

As `make t4-plan` does for a T4: seconds = model FLOPs / (rate of matrix products * utilisation). The utilisation of
each kind of work is measured on one length and predicts others; 1 minus the relative error should reach .8.
"""

import statistics
from collections.abc import Iterator

import ar_scoring
import ar_training
import measure
import utilisation
from utilisation import Job

from abstractor.machine.compute import Machine, prepare_machine

GOAL = 0.8
"""Within a fifth."""


def took(job: Job, repetitions: int) -> list[float]:
    """Seconds of each run, after one that warms up."""
    job.run()
    return [measure.in_turn({job.name: job.run}, 1)[job.name][0] for _ in range(repetitions)]


def check(known: Job, others: list[Job], repetitions: int) -> Iterator[measure.Result]:
    """The utilisation of `known` predicts the seconds of `others`."""
    rate = utilisation.matrix_rate(known.shape, known.tokens)
    share = known.flops / statistics.median(took(known, repetitions)) / rate
    for job in others:
        predicted = job.flops / (share * utilisation.matrix_rate(job.shape, job.tokens))
        seconds = took(job, repetitions)
        measured = statistics.median(seconds)
        yield measure.Result(
            what=f"{job.name}, predicted {predicted:.2f} s, measured {measured:.2f} s",
            sizes=job.sizes,
            ratio=1 - abs(predicted / measured - 1),
            goal=GOAL,
            seconds={job.name: seconds},
            note=f"utilisation {share:.0%}, measured on {known.sizes}",
        )


def kinds(quick: bool, threads: int) -> Iterator[tuple[Job, list[Job]]]:
    """The length that is measured and those that are predicted, of each kind of work."""
    if quick:
        yield utilisation.sc_scores(120, 16), [utilisation.sc_scores(60, 32)]
        return
    yield utilisation.sc_scores(120, 64), [utilisation.sc_scores(60, 128), utilisation.sc_scores(240, 32)]
    training = [utilisation.sc_trains(words, 32, threads) for words in (120, 60, 240)]
    yield training[0], training[1:]
    scorer = ar_scoring.Setup.load(threads)
    yield utilisation.ar_scores(scorer, 250), [utilisation.ar_scores(scorer, words) for words in (60, 500)]
    learner = ar_training.load(threads)
    yield utilisation.ar_trains(learner, 250), [utilisation.ar_trains(learner, words) for words in (60, 500)]


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    prepare_machine(Machine(device="cpu", dtype="float32", threads=options.threads))
    repetitions = 1 if options.quick else 3
    results: list[measure.Result] = []
    for known, others in kinds(options.quick, options.threads):
        results += check(known, others, repetitions)
    measure.report("plan_check", results, dtype="float32", threads=options.threads)


if __name__ == "__main__":
    main()
