"""Reads a YAML file and writes it back with its comments."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from abstractor.base.files import replaced


def read(path: Path) -> Any:
    """The content of a file, comments included."""
    return _yaml().load(path.read_text(encoding="utf-8"))


def write(path: Path, content: Any) -> None:
    """Write what `read` gave, changed or not, whole or not at all."""
    with replaced(path) as partial, partial.open("w", encoding="utf-8") as file:
        _yaml().dump(content, file)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    return yaml
