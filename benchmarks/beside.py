"""Training beside a job that keeps a core busy: python benchmarks/beside.py [--quick].

Each side is a process of its own: SC1 with R-Drop, whole optimiser steps, while other processes count. With as many
threads as cores, threads that wait for each other by spinning, as OpenMP has it by default, take the time that the one
they wait for would need. The fair share of n threads beside m busy processes on c cores is c / (n + m) of the time.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import measure

WAITING = {"asleep (ours)": "PASSIVE", "spinning (OpenMP's default)": None}
OURS, OTHER = WAITING
BUSY = "while True: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that count, while the block runs."""
    counting = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in counting:
            process.kill()
            process.wait()


def train(cases: int, threads: int) -> None:
    """What a child does: steps of training; its seconds, without the start, are its last line."""
    import sc_training

    setup = sc_training.Setup.load(measure.demo(cases, 60), "float32", threads)
    run = partial(sc_training.epoch, setup, *sc_training.learner(setup), sc_training.OURS)
    print(measure.in_turn({"": run}, 2)[""][-1])


def seconds(waiting: str, cases: int, threads: int, processes: int) -> float:
    """Of a child's training beside so many busy processes."""
    policy = WAITING[waiting]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, __file__, "--child", str(cases), "--threads", str(threads)]
    with busy(processes):
        done = subprocess.run(
            command,
            env=environment | ({"OMP_WAIT_POLICY": policy} if policy else {}),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])


def compare(cases: int, threads: int, processes: int, repetitions: int) -> measure.Result:
    """Both ways of waiting in turn."""
    found: dict[str, list[float]] = {way: [] for way in WAITING}
    for _ in range(repetitions):
        for way, took in found.items():
            took.append(seconds(way, cases, threads, processes))
    return measure.Result(
        what=f"{OURS} against {OTHER}, beside {processes} busy processes",
        sizes=f"SC1, demo, {cases} cases, {threads} threads on {os.cpu_count()} cores",
        ratio=measure.ratio(found, OURS, OTHER),
        goal=1.0 if processes else 0.95,
        seconds=found,
        note="same numbers either way: waiting computes nothing",
    )


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__)
    options.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        train(given.child, given.threads)
        return
    cases, repetitions = (20, 1) if given.quick else (96, 3)
    busiest = 1 if given.quick else 2
    results = [compare(cases, given.threads, processes, repetitions) for processes in range(busiest + 1)]
    measure.report("beside", results, dtype="float32", threads=given.threads)


if __name__ == "__main__":
    main()
