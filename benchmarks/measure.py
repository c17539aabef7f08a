"""What the benchmarks share: cases, timing in turn, and a report whose last line is one JSON object."""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.demo.corpus import draw
from abstractor.data.demo.settings import DemoCorpusParams
from abstractor.data.raw.cases import read_features, read_labels

ROOT = Path(__file__).parents[1]
OSHA = (ROOT / "data/raw/osha", ROOT.parent / "shared/corpora/osha")
"""Where the public corpus may lie: imported, or beside the project."""


class Corpus(NamedTuple):
    """Cases to measure on."""

    name: str
    codebook: Codebook
    cases: pd.DataFrame
    """Index uid; one column a narrative."""
    labels: pd.DataFrame
    """Index uid; one code a variable."""


@dataclass(frozen=True)
class Result:
    """One line of the table: this project's way against another way, or a measured share of what is possible."""

    what: str
    """What is compared with what."""
    sizes: str
    """Cases, tokens, models: what the figures hold for."""
    ratio: float
    """How many times faster than the other way; or the share, for a share."""
    goal: float | None
    """What `ratio` should reach; None: reported without a goal."""
    same_answer: bool | None = None
    """Whether both sides were proved to give the same answer before they were timed; None: one side only."""
    difference: float | None = None
    """Largest difference between the answers."""
    limit: float | None = None
    """What `ratio` could reach by the work counted."""
    seconds: Mapping[str, list[float]] = field(default_factory=dict)
    """Side -> the repetitions, seconds each."""
    note: str = ""
    """What a reader must know, one sentence."""

    @property
    def met(self) -> bool:
        """Whether the goal is reached with the same answer."""
        return self.same_answer is not False and (self.goal is None or self.ratio >= self.goal)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options of every benchmark."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="small sizes, under a minute: does it run?")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads, default all")
    return made


def in_turn(sides: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, list[float]]:
    """Time the sides in turn (a b c a b c ..), so that a slow spell of the machine hits all of them.

    Each side runs once before, untimed, unless `repetitions` is 1.

    Args:
        sides: name -> what to run.
        repetitions: timed runs of each side.

    Returns:
        Side -> wall-clock seconds of each run.
    """
    if repetitions > 1:
        for run in sides.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, run in sides.items():
            gc.collect()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: Mapping[str, list[float]], ours: str, other: str) -> float:
    """How many times faster `ours` is, by medians."""
    return statistics.median(seconds[other]) / statistics.median(seconds[ours])


def demo(cases: int, words: int, seed: int = 20) -> Corpus:
    """Made-up cases of `words` words on average (50 to 400)."""
    book = codebook.load(ROOT / "data/codebooks/demo.yaml")
    made = draw(book, DemoCorpusParams(cases=cases, new_cases=1, words=words, noise=0.03, seed=seed))
    labels = made["train_labels"].astype(np.int16)
    return Corpus("demo", book, made["train_features"], labels)


def osha(cases: int) -> Corpus | None:
    """The first `cases` of the public OSHA corpus; None where it is not at hand."""
    for folder in OSHA:
        book_path = next(
            (p for p in (ROOT / "data/codebooks/osha.yaml", folder / "codebook.yaml") if p.is_file()), None
        )
        if (folder / "train_features.csv").is_file() and book_path is not None:
            book = codebook.load(book_path)
            features = read_features(folder / "train_features.csv", book)
            labels = read_labels(folder / "train_labels.csv", book, features.index)
            return Corpus("osha", book, features.iloc[:cases], labels.iloc[:cases])
    return None


def corpora(cases: int, words: int) -> Iterator[Corpus]:
    """The demo corpus and, where it is at hand, OSHA."""
    yield demo(cases, words)
    if (public := osha(cases)) is not None:
        yield public


def with_words(corpus: Corpus, words: int) -> Corpus:
    """The corpus with the narratives of each case repeated or cut to exactly `words` words together."""
    names = list(corpus.codebook.narratives)

    def fill(case: pd.Series) -> list[str]:
        own = [str(text).split() for text in case]
        share = [round(words * len(part) / sum(map(len, own))) for part in own[:-1]]
        share.append(words - sum(share))
        return [
            " ".join((part * (count // max(len(part), 1) + 1))[:count]) for part, count in zip(own, share, strict=True)
        ]

    filled = pd.DataFrame(
        [fill(case) for _, case in corpus.cases[names].iterrows()], index=corpus.cases.index, columns=names
    )
    return corpus._replace(cases=filled)


def report(benchmark: str, results: list[Result], **facts: Any) -> None:
    """Print the results as lines, then all of it as one JSON object on the last line.

    Its top-level `ratio`, `goal`, `limit` and `same_answer` are those of the result that is furthest from its goal.
    """
    for result in results:
        goal = "" if result.goal is None else f", goal {result.goal:.2f} {'met' if result.met else 'NOT met'}"
        limit = "" if result.limit is None else f", limit {result.limit:.2f}"
        print(f"{result.what} ({result.sizes}): {result.ratio:.2f}{goal}{limit}")
    with_goal = [result for result in results if result.goal is not None] or results
    head = min(with_goal, key=lambda result: result.ratio / (result.goal or 1))
    content = {
        "benchmark": benchmark,
        "ratio": head.ratio,
        "goal": head.goal,
        "limit": head.limit,
        "same_answer": all(result.same_answer is not False for result in results),
        "met": all(result.met for result in results),
        "machine": machine(),
        **facts,
        "results": [{**asdict(result), "met": result.met} for result in results],
    }
    print(json.dumps(content, default=float))
    sys.stdout.flush()


def machine() -> str:
    """The processor, its cores and the device, in words."""
    import torch

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    device = f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ", no GPU"
    return f"{name}, {os.cpu_count()} cores{device}"
