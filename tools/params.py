"""Write what the parameters' types say: comments of params.yaml, and params.schema.json. python tools/params.py.

The docstring of a field is the comment above its key. Of entries of one type (models, writers, ..) the first has
comments. Keys whose type is no `Strict` class keep what stands above them.
"""

import argparse
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from push import TrustedRemote
from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from abstractor.base.files import replaced, write_json
from abstractor.base.learns import Round
from abstractor.base.members import Folds, Training
from abstractor.base.params import PARAMS, CorpusName, ParamsError, Seed, Strict
from abstractor.base.script import run_script
from abstractor.base.yaml_file import read_yaml
from abstractor.data.copies import CopiesParams
from abstractor.data.demo.settings import DemoCorpusParams
from abstractor.data.raw.cases import CaseCount
from abstractor.machine.compute import Inference, Learning
from abstractor.models.fetch import Backbone
from abstractor.scoring.baseline import BaselineParams
from abstractor.scoring.ensemble.blend import EnsembleParams
from abstractor.scoring.scores.small_counts import SmallestCount
from abstractor.training.ar.settings import ArModel
from abstractor.training.mlm.settings import MlmParams
from abstractor.training.rounds.label_errors import CorrectionParams
from abstractor.training.rounds.synthetic import Teacher, Writers
from abstractor.training.sc.settings import RDropWeight, ScModel
from abstractor.writing.engine.settings import MakeCases, Rewrite, Writer

SCHEMA = Path("params.schema.json")
_KEY = re.compile(r"( *)([a-z][a-z0-9_]*):(?: .*)?")
_EXAMPLE = re.compile(r"(?<=For example\n)(?:#.*\n)+")
_WIDTH = 120


class ParamsFile(BaseModel):
    """Every parameter of the pipeline."""

    model_config = ConfigDict(extra="allow", title=str(PARAMS))

    corpus: CorpusName
    seed: Seed
    folds: Folds
    trainings: list[Training]
    readers: list[Training]
    cases: CaseCount
    new_cases: CaseCount
    copies: CopiesParams
    score_copies: bool
    trusted_remote: TrustedRemote
    smallest_count: SmallestCount
    sc_1: list[str]
    sc_2: list[str]
    sc_3: list[str]
    sc: list[str]
    ar: list[str]
    rounds: list[Round]
    teachers_sc: list[Teacher]
    teachers_ar: list[Teacher]
    rdrop: RDropWeight
    demo_corpus: DemoCorpusParams
    baseline: BaselineParams
    correcting: list[Training]
    correct_labels: CorrectionParams
    mlm: dict[str, MlmParams]
    backbones: dict[str, Backbone]
    train: Learning
    models: dict[str, ScModel | ArModel]
    making: Writers
    rewriting: Writers
    writers: dict[str, Writer]
    make_cases: MakeCases
    rewrite: Rewrite
    infer: Inference
    ensemble: EnsembleParams


def write(params: Path = PARAMS, schema: Path = SCHEMA) -> None:
    """Rewrite the comments of a parameter file, and its schema.

    Raises:
        ParamsError: a value does not fit its type, so that it is unknown which comments belong there.
    """
    try:
        content = ParamsFile.model_validate(read_yaml(params), strict=True)
    except (OSError, ValueError) as error:
        raise ParamsError(f"{params}: expected values that fit their types; correct what does not: {error}") from None
    text = commented(params.read_text(encoding="utf-8"), dict(meanings(content)))
    text = _EXAMPLE.sub(lambda example: _commented_example(example[0]), text)
    with replaced(params) as partial:
        partial.write_text(text, encoding="utf-8")
    write_json(schema, ParamsFile.model_json_schema())


def meanings(value: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path of a key -> its field's docstring; of a mapping's entries of one type, the first one's keys only."""
    if isinstance(value, Strict):
        for name, field in type(value).model_fields.items():
            yield (*where, name), field.description or ""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from meanings(getattr(value, name), (*where, name))
    elif isinstance(value, dict):
        first: dict[type, str] = {}
        for name, entry in value.items():
            if first.setdefault(type(entry), name) == name:
                yield from meanings(entry, (*where, name))


def commented(text: str, meaning: dict[tuple[str, ...], str], width: int = _WIDTH) -> str:
    """The text of a parameter file with these meanings above its keys, in the place of the comments there."""
    lines: list[str] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        if key := _KEY.fullmatch(line):
            indent = key[1]
            path = [*(outer for outer in path if outer[0] < len(indent)), (len(indent), key[2])]
            if words := meaning.get(tuple(name for _, name in path)):
                while lines and lines[-1].startswith(f"{indent}#"):
                    lines.pop()
                lines += [f"{indent}# {part}" for part in _wrapped(words, width - len(f"{indent}# "))]
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _commented_example(block: str) -> str:
    """The entry of `mlm` that is itself a comment, with comments of its own."""
    text = block.removeprefix("# ").replace("\n# ", "\n")
    entries = {name: MlmParams(**entry) for name, entry in YAML(typ="safe").load(text)["mlm"].items()}
    return textwrap.indent(commented(text, dict(meanings(entries, ("mlm",))), _WIDTH - len("# ")), "# ")


def _wrapped(words: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(words.split()), width, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Write both files."""
    argparse.ArgumentParser(description=f"Write the comments of {PARAMS}, and {SCHEMA}, from the types.").parse_args()
    write()
    print(f"{PARAMS}, {SCHEMA}: written")


if __name__ == "__main__":
    run_script(main)
