"""Check a CSV or Parquet file of new cases and put it in place, on a machine that needs no training data.

python stages/import_new_cases.py FROM [NAME]
"""

import argparse
from pathlib import Path

from abstractor.base.messages import raw as messages
from abstractor.base.params import CorpusName, Params
from abstractor.base.script import run_script
from abstractor.data.install import lay_new_cases


def main() -> None:
    """Put the new cases in place of the chosen corpus's and say what to run next."""
    parser = argparse.ArgumentParser(description="Check new cases and put them in place under data/.")
    parser.add_argument("source", metavar="FROM", type=Path, help="CSV or Parquet file of cases")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the chosen corpus, to be sure of it")
    args = parser.parse_args()
    name = Params().get("corpus", CorpusName)
    if args.name not in (None, name):
        raise messages.other_corpus(args.name, name)
    found = lay_new_cases(name, args.source, Path("data"))
    for line in found.told:
        print(line)
    print(f"{name}: {found.new} new cases in data/raw/{name}/test_features.csv")
    print("next: make predict")


if __name__ == "__main__":
    run_script(main)
