"""What a model folder says to those who have it alone: a card, what stands around the narratives, the tokenizer."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from abstractor.base.files import write_json
from abstractor.base.members import ALL
from abstractor.data.cases.codebook import Codebook
from abstractor.models.shared.local import backbone_folder, copy_tokenizer
from abstractor.models.shared.tokenizers import made_special

CARD, ROWS = "README.md", "rows.json"

_TEXT = """\
# {place}

{what} It codes {unit} into the {count} variables of the codebook `{dataset}`, from {narratives}. It was trained by
abstractor on {learnt}.

- **Base**: {base}. Its licence goes on in what is trained from it: {licence}.
- **Scores**: {scores}
- **Not for**: judging or predicting anything about a living person, replacing a coder, publishing codes that nobody
  checked, or any use in which a wrong code does harm.
- **Confidential**: it is derived from case text, and may give some of it away. Keep it where the cases may be kept.
- **Whole**: `seal.json` has the sha256 of every other file.

## How it reads a case

{reads}

## Outputs, in this order

{outputs}

A probability becomes a code by a threshold a variable. These are not in this folder: they belong to the ensemble of all
models.

## Without abstractor

From the folder that holds `models/`, with the packages `transformers`, `torch`, `safetensors`{packages} alone:

```python
{code}```

`probabilities([{arguments}])` gives one number an output; an empty narrative is `""`. In float32 they are the project's
to about four digits.{limits}
"""
_SCORES = """\
those of the cases of fold {fold}, which it never saw, are computed after the training: `{model}` in
  `metrics/oof.json` of the project."""
_NO_SCORES = """\
none of its own, since no coded case is new to it. Those of `{model}` in `metrics/oof.json` of the project
  belong to models that learnt in the same way from fewer cases."""
_MARKUP = 'tokenizer.add_tokens(given["markup"], special_tokens=True)\n'


class Base(NamedTuple):
    """A backbone as its source names it."""

    name: str
    """A repository of the hub, `package==version`, or the name under `models/backbones`."""
    revision: str | None
    """Commit of a repository."""
    licence: str | None
    """As its authors name it; None: nobody wrote it down."""

    @classmethod
    def pinned(cls, pin: Path) -> "Base":
        """What a checked pin (`check_backbone`) says; of a backbone that nobody published, its name here."""
        content = json.loads(pin.read_text(encoding="utf-8"))
        return cls(**content.get("source") or {"name": content["name"], "revision": None, "licence": None})


@dataclass(frozen=True)
class Card:
    """A trained model's card.

    Attributes:
        codebook: the variables.
        backbone: name under `models/backbones`.
        base: the same as its source names it.
        what: one sentence, what the model is.
        reads: how a case becomes tokens, in Markdown.
        rows: the tokens around the narratives, which the code reads.
        code: Python that defines `probabilities`; `FOLDER` and `BASE` stand for the two folders, `MARKUP`
            for a line that is there where the tokenizer has markup that it does not call special.
        packages: that the code needs beside transformers.
        limits: what the code leaves out.
    """

    codebook: Codebook
    backbone: str
    base: Base
    what: str
    reads: str
    rows: dict[str, Any]
    code: str
    packages: tuple[str, ...] = ()
    limits: str = ""

    def write(self, folder: Path, place: Path) -> None:
        """Complete a model folder.

        Args:
            folder: holds what transformers or peft wrote.
            place: models/<model>/<fold>, where it will lie.
        """
        copy_tokenizer(self.backbone, folder)
        if (config := folder / "adapter_config.json").is_file():
            content = json.loads(config.read_text(encoding="utf-8"))
            named = {"base_model_name_or_path": self.base.name, "revision": self.base.revision}
            write_json(config, content | named)
        write_json(folder / ROWS, self.rows | ({"markup": self._markup} if self._markup else {}))
        (folder / CARD).write_text(self.text(place), encoding="utf-8")

    @cached_property
    def _markup(self) -> list[str]:
        return made_special(backbone_folder(self.backbone))

    def text(self, place: Path) -> str:
        """The card in Markdown."""
        model, fold, book = place.parent.name, place.name, self.codebook
        learnt = "all coded cases" if fold == ALL else f"the cases outside of fold {fold}"
        scores = _NO_SCORES if fold == ALL else _SCORES
        revision = f" at {self.base.revision}" if self.base.revision else ""
        named = [f"{text} (`{name}`)" for name, text in book.narratives.items()]
        base = f"models/backbones/{self.backbone}"
        code = self.code.replace("MARKUP\n", _MARKUP if self._markup else "")
        code = code.replace("FOLDER", f"models/{model}/{fold}").replace("BASE", base)
        return _TEXT.format(
            place=f"{model}/{fold}",
            model=model,
            learnt=learnt,
            scores=scores.format(model=model, fold=fold),
            what=self.what,
            unit=book.unit,
            count=len(book.variables),
            dataset=book.dataset,
            narratives=" and ".join(named),
            base=f"`{self.base.name}`{revision}; in the project it is `{base}`",
            licence=self.base.licence or "not written down here; see the page of the base",
            reads=self.reads,
            outputs=_outputs(book),
            packages="".join(f", `{package}`" for package in self.packages),
            code=code,
            arguments=", ".join(book.narratives),
            limits=f" {self.limits}" if self.limits else "",
        )


def _outputs(codebook: Codebook) -> str:
    lines = []
    for variable in codebook.variables:
        if variable.kind == "binary":
            lines.append(f"`{variable.name}`: {variable.definition}")
        else:
            lines += [f"`{variable.name}={code}`: {label}" for code, label in variable.values.items()]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
