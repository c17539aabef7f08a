"""Draft a codebook from a table of cases with their codes: python tools/codebook.py NAME FROM.

data/drafts/NAME/ then holds the codebook, with TODO where a person has to write, and the table parted into features
and labels, as `make corpus` reads them.
"""

import argparse
from pathlib import Path

from abstractor.base.script import run_script
from abstractor.data.draft import draft


def main() -> None:
    """Draft, and say what was found and what to do next."""
    parser = argparse.ArgumentParser(description="Draft a codebook from a table of cases with their codes.")
    parser.add_argument("name", metavar="NAME", help="name of the corpus: a-z, 0-9 and _")
    parser.add_argument("source", metavar="FROM", type=Path, help="table of cases: uid, texts, codes")
    args = parser.parse_args()
    out = Path("data/drafts", args.name)
    found = draft(args.name, args.source, out)
    print("\n".join([*found.told, ""]), end="")
    print(f"{out}: {found.training} training cases, {found.new} without any label as new cases")
    print(f"narratives: {', '.join(found.narratives)}")
    print(f"variables: {found.binary} binary, {found.categorical} categorical")
    if found.left_out:
        print(f"left out, neither long texts nor codes: columns {', '.join(map(str, found.left_out))}")
    features = "" if found.new else f", put new cases into {out}/test_features.csv"
    print(f"next: write what TODO stands for in {out}/codebook.yaml{features}, then")
    print(f"make corpus NAME={args.name} FROM={out}")


if __name__ == "__main__":
    run_script(main)
