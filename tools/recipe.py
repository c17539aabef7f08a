"""Put a recipe into params.yaml: python tools/recipe.py NAME. `git checkout params.yaml` brings the demo's back.

A recipe names what differs from the demo. What holds named things (models, backbones, ..) is replaced as a whole, other
sections value by value; comments of what stays are kept. From then on `dvc repro` and `dvc exp run -S` are the
recipe's.
"""

import argparse
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from abstractor.errors import UserError, run_script
from abstractor.files import read_yaml, replaced
from abstractor.params import PARAMS

RECIPES = Path(__file__).parents[1] / "recipes"
NOT_RECIPES = ("shapes", "ablation")
"""Other files of that folder."""
NAMED = ("backbones", "models", "writers", "mlm")
"""Sections whose keys are names that the user gives."""


class RecipeError(UserError):
    """There is no such recipe, or it does not fit params.yaml."""


def names() -> list[str]:
    """The recipes there are."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml") if path.stem not in NOT_RECIPES)


def apply(name: str, params: Path) -> None:
    """Write a recipe's values into a parameter file, whole or not at all.

    Raises:
        RecipeError: no such recipe, or it has a top-level key that `params` lacks.
    """
    if name not in names():
        raise RecipeError(f"recipes/{name}.yaml: there is no such recipe; expected one of {', '.join(names())}")
    recipe: dict[str, Any] = read_yaml(RECIPES / f"{name}.yaml")
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    content = yaml.load(params.read_text(encoding="utf-8"))
    for key, value in recipe.items():
        if key not in content:
            raise RecipeError(f"recipes/{name}.yaml: {key} is no key of {params}; correct it")
        if isinstance(value, dict) and key not in NAMED:
            content[key].update(value)
        else:
            content[key] = value
    with replaced(params) as partial, partial.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


def main() -> None:
    """Apply the named recipe to params.yaml."""
    parser = argparse.ArgumentParser(description="Put a recipe into params.yaml.")
    parser.add_argument("name", metavar="NAME", help=f"one of: {', '.join(names())}")
    name = parser.parse_args().name
    apply(name, PARAMS)
    print(f"{PARAMS} holds recipe {name} now; next: dvc repro, or dvc exp run -S key=value")
    print("to go back: git checkout params.yaml")


if __name__ == "__main__":
    run_script(main)
