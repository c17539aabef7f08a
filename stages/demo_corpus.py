"""Makes the demo corpus: invented cases with two reports and all labels. Run: python stages/demo_corpus.py."""

from pathlib import Path

from abstractor.base.script import run_script

FOLDER = Path("data/raw/demo")


def main() -> None:
    """Draw the corpus that params.yaml describes and write its five files."""
    from abstractor.data.cases import codebook
    from abstractor.data.demo import corpus
    from abstractor.data.demo.settings import DemoCorpusParams
    from abstractor.runs.inputs import Inputs

    inputs = Inputs()
    params = inputs.get("demo_corpus", DemoCorpusParams)
    corpus.write(FOLDER, corpus.draw(codebook.load(inputs.file("data/codebooks/demo.yaml")), params))
    print(f"{FOLDER}: {params.cases} cases and {params.new_cases} new cases, about {params.words} words each")


if __name__ == "__main__":
    run_script(main)
