"""What a plan is made from: a parameter file, the sizes of its backbones, the cases to expect."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import recipe

from abstractor.base.errors import UserError
from abstractor.base.params import PARAMS, Params
from abstractor.base.yaml_file import read_yaml
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.models.ar.prompts import Form
from abstractor.models.shared.wording import options

ROOT = Path(__file__).parents[1]
FORMS = {"sc_1": "concatenated", "sc_2": "apart", "sc_3": "masked"}
"""Section of params.yaml -> key of `forms.FORMS`."""
MASKED_TOKENS = 6
"""Tokens of a variable in SC3's prompt: its name in words and a mask."""
FRAME_TOKENS, NAME_TOKENS, WORD_TOKENS = 6, 4, 1.3
"""Of SmolLM2 and its like: the end of a turn and the start of an answer; a name in words and its mark; a word."""


class PlanError(UserError):
    """A model's size is not known here, or the card does not hold what is asked of it."""


@dataclass(frozen=True)
class Load:
    """The cases to expect."""

    cases: int
    """Those to predict, or those to learn from."""
    prefix: int
    """Tokens of a case's narratives with the prompt around them."""
    asked: int
    """Tokens of all questions of a case together; as given, each has a turn of its own (`questions: apart`)."""
    questions: int

    @property
    def spread(self) -> list[int]:
        """Question lengths that add up to `asked`."""
        short, longer = divmod(self.asked, self.questions)
        return [short + 1] * longer + [short] * (self.questions - longer)

    def asked_as(self, form: Form, book: Codebook) -> "Load":
        """The given cases as a language model reads them that asks in this form.

        Args:
            form: `ArModel.questions`.
            book: the options.
        """
        if form == "apart":
            return self
        questions = max(self.asked - FRAME_TOKENS * self.questions, self.questions)
        names = NAME_TOKENS * self.questions
        words = [len(options(one).split()) for one in book.variables if one.kind == "categorical"]
        asked = {"inside": questions, "bare": names + round(WORD_TOKENS * sum(words)), "names": names}[form]
        listed = questions + names + 2 * self.questions if form == "names" else 0  # a dash and a line end each
        return replace(self, prefix=self.prefix + FRAME_TOKENS + listed, asked=asked)


def read(path: Path) -> Params:
    """A whole parameter file, or the demo's as the recipe of that name changes it."""
    if path.resolve().parent != recipe.RECIPES or path.stem not in recipe.names():
        return Params(path, ROOT / "dvc.yaml")
    with TemporaryDirectory(prefix="abstractor-") as folder:
        whole = Path(folder) / PARAMS
        shutil.copyfile(ROOT / PARAMS, whole)
        recipe.apply(path.stem, whole)
        return Params(whole, ROOT / "dvc.yaml")


def card_of(path: Path) -> str | None:
    """The card that recipes/cards.yaml names for a recipe; None: none, or no recipe."""
    named: dict[str, str] = read_yaml(recipe.RECIPES / "cards.yaml")
    return named.get(path.stem) if path.resolve().parent == recipe.RECIPES else None


def questions_of(params: Params) -> Codebook:
    """The codebook of the corpus, the demo's where it is not there: a plan needs its sizes alone."""
    path = ROOT / "data/codebooks" / f"{params.get('corpus', str)}.yaml"
    return codebook.load(path if path.is_file() else path.with_name("demo.yaml"))


def forms(params: Params) -> dict[str, str]:
    """Sequence classifier -> its form."""
    return {name: form for key, form in FORMS.items() for name in params.get(key, list[str])}


def backbone(params: Params, name: str) -> tuple[str, Any]:
    """Where a backbone comes from, and its config: of the fetched folder, else by its published sizes.

    Raises:
        PlanError: it is neither fetched nor in recipes/shapes.yaml.
    """
    from transformers import AutoConfig

    further = params.get("mlm", dict[str, Any])
    name = further[name]["backbone"] if name in further else name
    spec: dict[str, Any] = params.get(f"backbones.{name}", dict[str, Any])
    folder = ROOT / "models/backbones" / name
    origin = str(spec.get("repo") or spec.get("package") or spec.get("path"))
    if (folder / "config.json").is_file():
        return origin, AutoConfig.from_pretrained(folder, local_files_only=True)
    shapes = read_yaml(recipe.RECIPES / "shapes.yaml")
    if origin not in shapes:
        raise PlanError(
            f"{origin}, the backbone {name}: its sizes are not known here; fetch it "
            f"(`dvc repro fetch_backbone@{name}`), or add its published sizes to recipes/shapes.yaml"
        )
    sizes = dict(shapes[origin])
    return origin, AutoConfig.for_model(sizes.pop("model_type"), **sizes)
