"""How a variable is put in words for a model that reads them."""

import re
from string import ascii_uppercase

from abstractor.data.cases.codebook import Variable

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
"""A part of a name: an abbreviation in capitals, a word, a number."""


def in_words(name: str) -> str:
    """A variable's name as words: `DepressedMood` and `depressed_mood` become "depressed mood"."""
    return " ".join(_WORD.findall(name)).lower()


def described(variable: Variable) -> str:
    """A variable's name as words, with the options of a categorical one: "place: A house; B street"."""
    name = in_words(variable.name)
    return name if variable.kind == "binary" else f"{name}: {options(variable)}"


def options(variable: Variable) -> str:
    """The options of a categorical variable, each behind the letter that answers it: "A house; B street"."""
    labels = zip(ascii_uppercase, variable.values.values(), strict=False)
    return "; ".join(f"{letter} {label}" for letter, label in labels)
