"""The attack on adapters by its real command, on a tiny random model."""

from collections.abc import Callable

import pytest
from support import tiny

pytestmark = pytest.mark.stage


def test_the_attack_finds_what_a_control_learned_and_writes_nothing_when_quick(
    copy: Callable[[], tiny.Project],
) -> None:
    project = copy()
    names = ("benchmarks/results/memorisation.json", "docs/evidence/confidentiality.md")
    kept = [project.folder / name for name in names]
    before = [path.read_bytes() for path in kept]
    params = project.params()
    model = params["models"]["ar_smollm2"]
    # Random embeddings tell tokens apart too weakly for anything to be learned below the head.
    model["lora"] |= {"rank": 8, "targets": [*model["lora"]["targets"], "lm_head"]}
    project.write_params(params | {"models": params["models"] | {"ar_smollm2": model | {"learning_rate": 0.03}}})
    printed = project.run("python", "benchmarks/memorisation.py", "--quick")  # fails unless the control is seen
    rows = [line.split(" | ")[0].removeprefix("| ") for line in printed.splitlines() if line.startswith("| ")]
    assert rows == ["adapter learned", "none", "answers, as the project trains", "reports, the control"]
    assert [path.read_bytes() for path in kept] == before
