"""Put a recipe into params.yaml: python tools/recipe.py NAME. `git checkout params.yaml` brings the demo's back.

A recipe holds what differs from the demo's parameters. Mappings are merged key by key. Where keys are names that the
user gives (models, backbones, ..), null takes an entry out, and `like: NAME` starts a new one from another's values.
Comments of what stays are kept. From then on `dvc repro` and `dvc exp run -S` are the recipe's.
"""

import argparse
from copy import deepcopy
from pathlib import Path
from typing import Any

import commented_yaml

from abstractor.base.errors import UserError
from abstractor.base.params import PARAMS
from abstractor.base.script import run_script
from abstractor.base.yaml_file import read_yaml

RECIPES = Path(__file__).parents[1] / "recipes"
NO_RECIPES = ("shapes", "cards")
"""Other files of that folder."""
NAMED = ("backbones", "models", "writers", "mlm")
"""Sections whose keys are names that the user gives."""
DEMO = {"sc1_minilm", "sc2_minilm", "ar_smollm2"}
"""The demo's models: what a recipe starts from."""


class RecipeError(UserError):
    """There is no such recipe, or it does not fit params.yaml."""


def names() -> list[str]:
    """The recipes there are."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml") if path.stem not in NO_RECIPES)


def apply(name: str, params: Path) -> None:
    """Write a recipe's values into the demo's parameter file, whole or not at all.

    Raises:
        RecipeError: no such recipe, `params` holds another one, or the recipe names a key that `params` lacks.
    """
    if name not in names():
        raise RecipeError(f"recipes/{name}.yaml: there is no such recipe; expected one of {', '.join(names())}")
    content = commented_yaml.read(params)
    if set(content["models"]) != DEMO:
        raise RecipeError(
            f"{params}: expected the demo's models, which a recipe starts from, found others; go back to them first, "
            f"for example with `git checkout {params.name}`"
        )
    for key, value in read_yaml(RECIPES / f"{name}.yaml").items():
        if key not in content:
            raise RecipeError(f"recipes/{name}.yaml: {key} is no key of {params}; correct it")
        if key in NAMED:
            _name(content[key], value)
        else:
            _merge(content, key, value)
    commented_yaml.write(params, content)


def _name(section: dict[str, Any], entries: dict[str, dict[str, Any] | None]) -> None:
    """Merge entries, those that are taken out last, since others may be like them."""
    for name, entry in entries.items():
        if entry is not None:
            changes = dict(entry)
            if "like" in changes:
                section[name] = deepcopy(section[changes.pop("like")])
            _merge(section, name, changes)
    for name, entry in entries.items():
        if entry is None:
            section.pop(name, None)


def _merge(into: dict[str, Any], key: str, value: Any) -> None:
    if isinstance(value, dict) and isinstance(into.get(key), dict):
        for inner, more in value.items():
            _merge(into[key], inner, more)
    else:
        into[key] = value


def main() -> None:
    """Apply the named recipe to params.yaml."""
    parser = argparse.ArgumentParser(description="Put a recipe into params.yaml.")
    parser.add_argument("name", metavar="NAME", help=f"one of: {', '.join(names())}")
    name = parser.parse_args().name
    apply(name, PARAMS)
    print(f"{PARAMS} holds recipe {name} now; next: dvc repro, or dvc exp run -S key=value")
    print(f"to go back: git checkout {PARAMS}")


if __name__ == "__main__":
    run_script(main)
