"""What members of no use cost a blend: python benchmarks/harm.py [--quick].

A good member as the baseline is one, blended with others on simulated cases of 23 binary variables (shares of 1 to
60 %); mean F1 on 4,000 new cases, less that of the good member alone at its own thresholds. Good members err alike in
part. `mixed` ones know each variable more or less, from nothing to more than the good one.
"""

from collections.abc import Iterator, Sequence

import measure
import numpy as np
import pandas as pd
from scipy.special import expit, logit

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.ensemble import blend
from abstractor.scoring.scores import metrics, thresholds

SHARES = np.geomspace(0.01, 0.6, 23)
BOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    tuple(Variable(f"v{number}", "binary", "d", "q", {0: "no", 1: "yes"}, None) for number in range(len(SHARES))),
)
SKILL = {"baseline": 1.6, "good": 1.6, "half": 0.8}
"""Distance of the two codes in standard deviations of a member's error."""
SLOPE = {"baseline": 0.7, "noise": 1.5, "sure and wrong": 4.0, "collapsed": 0.0}
"""Log odds against right ones, above 1 too sure; others 1.5. Of members without skill: of their error."""
OTHERS = ("noise", "sure and wrong", "collapsed", "half", "good", "mixed")
SEEDS = {100: 6, 240: 6, 600: 4, 1500: 3}
Simulated = tuple[pd.DataFrame, dict[str, pd.DataFrame]]
NEW = 4000
PRIOR = 10.0
"""As in params.yaml."""


def simulate(cases: int, members: Sequence[str], seed: int, skills: np.ndarray) -> Simulated:
    """Labels, and the predictions of members of these kinds; `skills` (members, variables) are those of mixed ones."""
    rng, names = np.random.default_rng(seed), list(BOOK.names)
    true = rng.random((cases, len(SHARES))) < SHARES
    common = rng.normal(size=true.shape)
    tables: dict[str, pd.DataFrame] = {}
    for number, kind in enumerate(members):
        own, skill = rng.normal(size=true.shape), skills[number] if kind == "mixed" else SKILL.get(kind)
        seen = own if skill is None else skill * (skill * (true - 0.5) + np.sqrt(0.3) * common + np.sqrt(0.7) * own)
        odds = logit(SHARES) + SLOPE.get(kind, 1.5) * seen
        tables[f"{number} {kind}"] = pd.DataFrame(expit(odds).astype(np.float32), columns=names)
    return pd.DataFrame(true.astype(np.int16), columns=names), tables


def gains(others: Sequence[str], cases: int, seeds: int) -> np.ndarray:
    """(seeds,) mean F1 on new cases: the baseline blended with others, less the baseline alone."""
    found, members = [], ["baseline", *others]
    for seed in range(seeds):
        skills = np.random.default_rng((seed, 2)).uniform(0, 2.6, (len(members), len(SHARES)))
        labels, tables = simulate(cases, members, 2 * seed, skills)
        truth, new = simulate(NEW, members, 2 * seed + 1, skills)
        fitted, alone = blend.fit(BOOK, tables, labels, PRIOR), next(iter(tables))
        ours = thresholds.decide(BOOK, blend.pool(BOOK, new, fitted), fitted.thresholds)
        theirs = thresholds.decide(BOOK, new[alone], thresholds.fit(BOOK, tables[alone], labels))
        found.append(metrics.scores(BOOK, truth, ours)["mean"] - metrics.scores(BOOK, truth, theirs)["mean"])
    return np.array(found)


def lines(seeds: dict[int, int]) -> Iterator[str]:
    """A row for three others of each kind, with standard errors."""
    yield f"| three others | {' | '.join(f'{cases} cases' for cases in seeds)} |"
    yield "|---" * (1 + len(seeds)) + "|"
    for kind in OTHERS:
        drawn = [gains([kind] * 3, cases, number) for cases, number in seeds.items()]
        cells = [f"{gain.mean():+.4f} ({gain.std(ddof=1) / np.sqrt(len(gain)):.4f})" for gain in drawn]
        yield f"| {kind} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    options = measure.parser(__doc__).parse_args()
    for line in lines({240: 2} if options.quick else SEEDS):
        print(line, flush=True)


if __name__ == "__main__":
    main()
