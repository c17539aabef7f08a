"""Record the numbers that test_fixed_seed.py pins: python tests/regression/record.py.

To be run when a change of results is wanted, on its own commit, with the reason.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from support import tiny  # after the path

EXPECTED = Path(__file__).with_name("expected.json")


def numbers(project: tiny.Project) -> dict[str, list[float]]:
    """Training losses of each model's first fold, the ensemble's weights and the mean F1s, as released."""
    found = {}
    for curve in sorted((project.folder / "metrics/curves").glob("*/0.tsv")):
        rows = [line.split("\t") for line in curve.read_text(encoding="utf-8").splitlines()[1:]]
        found[f"loss {curve.parent.name}"] = [float(loss) for _, _, loss in rows]
    for file in ("baseline", "ensemble", "evaluate"):
        scores = json.loads((project.folder / f"metrics/{file}.json").read_text(encoding="utf-8"))["f1"]
        found[f"f1 {file}"] = [scores["mean"]]
    blend = json.loads((project.folder / "models/ensemble/blend.json").read_text(encoding="utf-8"))
    weights = blend["blends"]["ensemble"]["weights"]
    found["weights"] = [round(weight, 5) for of_variable in weights.values() for weight in of_variable.values()]
    return found


def main() -> None:
    """Run the tiny pipeline and write its numbers."""
    with tempfile.TemporaryDirectory() as place:
        EXPECTED.write_text(
            json.dumps(numbers(tiny.finish(Path(place) / "project")), indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
