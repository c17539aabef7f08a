"""The phrase tables of the made-up reports, read from the YAML files beside this module."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from abstractor.base.yaml_file import read_yaml

REPORTS = ("le", "me")
"""Law enforcement, coroner or medical examiner."""

FOLDER = Path(__file__).with_name("tables")

Lines = Mapping[str, tuple[str, ...]]
"""Report -> its phrasings."""


@dataclass(frozen=True)
class Topic:
    """What the reports can say about one matter."""

    variables: tuple[str, ...]
    """The variables that it tells."""
    le: float
    """Chance that law enforcement is the one who knows it."""
    items: Lines
    """Noun phrases for lists; none where the topic never stands in one."""
    sentences: Mapping[str, Lines]
    """State -> clauses."""

    def can(self, state: str) -> bool:
        """Whether the topic can be told in this state, by a clause or in a list."""
        return state in self.sentences or bool(self.items["le"])


@dataclass(frozen=True)
class Phrases:
    """All tables; tables/style.yaml says what a line may hold."""

    author: Mapping[str, Lines]
    words: Mapping[str, Lines]
    frames: Mapping[str, Lines]
    topics: Mapping[str, Topic]
    places: Mapping[int, Lines]
    """Code of the type of place -> words, alike in both reports."""
    means: Mapping[int, Lines]
    """Code of the means -> words, alike in both reports."""
    intro: Lines
    filler: Lines


@cache
def load() -> Phrases:
    """The tables of the package."""
    style, history = read_yaml(FOLDER / "style.yaml"), read_yaml(FOLDER / "history.yaml")
    circumstances, scene = read_yaml(FOLDER / "circumstances.yaml"), read_yaml(FOLDER / "scene.yaml")
    return Phrases(
        author=_tables(style["author"]),
        words=_tables(style["words"]),
        frames=_tables(style["frames"]),
        topics={name: _topic(entry) for name, entry in {**history["topics"], **circumstances["topics"]}.items()},
        places=_tables(scene["places"]),
        means=_tables(scene["means"]),
        intro=_lines(scene["intro"]),
        filler=_lines(scene["filler"]),
    )


def _topic(entry: Mapping[str, Any]) -> Topic:
    states = {key: text for key, text in entry.items() if key not in ("variables", "le", "items")}
    return Topic(tuple(entry["variables"]), entry["le"], _lines(entry.get("items", "")), _tables(states))


def _tables(texts: Mapping[Any, str]) -> dict[Any, Lines]:
    return {key: _lines(text) for key, text in texts.items()}


def _lines(text: str) -> Lines:
    """Split into phrasings; `le>` or `me>` at the start keeps a line for one report."""
    lines = [line for line in text.split("\n") if line]
    others = {"le": "me> ", "me": "le> "}
    return {
        report: tuple(line.removeprefix(f"{report}> ") for line in lines if not line.startswith(other))
        for report, other in others.items()
    }
