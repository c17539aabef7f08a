"""Reads a YAML file and writes it back with its comments and its layout."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from abstractor.base.files import replaced


class _Representer(RoundTripRepresenter):
    """Writes null where it is read: ruamel's own leaves the place empty."""


_Representer.add_representer(type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null"))


def read(path: Path) -> Any:
    """The content of a file, comments included."""
    return _yaml().load(path.read_text(encoding="utf-8"))


def write(path: Path, content: Any) -> None:
    """Write what `read` gave, changed or not, whole or not at all."""
    with replaced(path) as partial, partial.open("w", encoding="utf-8") as file:
        _yaml().dump(content, file)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
