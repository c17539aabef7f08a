"""Check a folder of CSV or Parquet files with its codebook and put it in place under data/.

python stages/import_corpus.py NAME FROM [CODEBOOK]
"""

import argparse
from pathlib import Path

from abstractor.base.script import run_script
from abstractor.data.install import lay_corpus


def main() -> None:
    """Put the corpus in place and say what to run next."""
    parser = argparse.ArgumentParser(description="Check a corpus and put it in place under data/.")
    parser.add_argument("name", metavar="NAME", help="name of the corpus: a-z, 0-9 and _")
    parser.add_argument("source", metavar="FROM", type=Path, help="folder of CSV or Parquet files")
    parser.add_argument("codebook", metavar="CODEBOOK", type=Path, nargs="?", help="default: codebook.yaml in FROM")
    args = parser.parse_args()
    found = lay_corpus(args.name, args.source, args.codebook, Path("data"))
    labels = "with labels" if found.coded else "without labels"
    print(f"{args.name}: {found.training} training cases, {found.new} new cases {labels}")
    for line in found.told:
        print(line)
    print(f"{'replaced' if found.replaced else 'made'} data/raw/{args.name}/ and data/codebooks/{args.name}.yaml")
    print(f"next: make baseline NAME={args.name} (a score in seconds), then make repro")


if __name__ == "__main__":
    run_script(main)
