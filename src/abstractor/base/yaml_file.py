"""Reads YAML that people write: words and numbers as DVC reads them, no key twice, nothing of the file in a message."""

import re
import warnings
from itertools import chain
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MantissaNoDotYAML1_1Warning, MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")

_SAFE = re.compile(r"""(?:[^'"]|'<[a-z ]+>'|'[^'\\]{1,2}'|'\\[a-z]')*""")
"""The start of a parser's message that quotes nothing of the file but one or two characters."""

_LARGEST = 2**20
"""Characters of a YAML file, and of its content with every alias written out: a few lines of them can stand for more
than any memory holds."""


class _Composer(Composer):
    """Refuses an anchor that stands twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if not isinstance(event, AliasEvent) and event.anchor in self.anchors:
            raise _problem(event, "an anchor stands twice")
        return super().compose_node(parent, index)


class _Constructor(SafeConstructor):
    """Makes values of bounded size; refuses unknown tags and keys that stand twice."""

    def construct_document(self, node: Any) -> Any:
        if _size(node, {}) > _LARGEST:
            raise _problem(node, "its aliases stand for too much, or for themselves")
        return super().construct_document(node)

    def flatten_mapping(self, node: Any) -> Any:
        # Before `<<` is merged into the node: a key that overrides a merged one does not stand twice.
        if getattr(node, "merge", None) is None:
            self._refuse_twins(node)
        super().flatten_mapping(node)

    def _refuse_twins(self, node: Any) -> None:
        # By their values: 1, 0x1 and true are one key to Python, and the last would silently win.
        seen = set()
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                value = self.construct_object(key)
                if value in seen:
                    name = key.value if _NAME.fullmatch(key.value) else "(not a plain name)"
                    raise _problem(key, f"the key {name} stands twice")
                seen.add(value)

    def text(self, node: Any) -> str:
        """A text that can be written down again: an escape such as "\\ud83d" stands for half a character."""
        value = str(self.construct_scalar(node))
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise _problem(node, "half a character (\\ud800 to \\udfff); write the character itself")
        return value

    def whole_number(self, node: Any) -> int:
        """A number that can be printed and computed with."""
        value = self.construct_yaml_int(node)
        if value.bit_length() > 63:
            raise _problem(node, "a whole number of more than 63 bits")
        return value

    def date(self, node: Any) -> str:
        """No value of this project is a date, but a word that looks like one may be a label."""
        return str(self.construct_scalar(node))

    def unknown(self, node: Any) -> Any:
        """Refuse a tag without quoting it."""
        raise _problem(node, "an unknown tag")


_Constructor.add_constructor("tag:yaml.org,2002:str", _Constructor.text)
_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.whole_number)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.date)
_Constructor.add_constructor(None, _Constructor.unknown)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, by version 1.2 unless it names another, as DVC reads it.

    So `010` is 10, `5e-5` a number, `yes` and `1:30` are texts. Only a date, one to DVC, is a text here.

    Raises:
        ValueError: not UTF-8, not YAML, too large or too deep, or a key twice in one mapping; the message names the
            line, never its text.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path} is larger than {_LARGEST} bytes")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start})") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Any:
    """The content of a YAML text, as `read_yaml`; `name` stands in the message.

    Raises:
        ValueError: as `read_yaml`.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.Constructor = _Composer, _Constructor
    try:
        with warnings.catch_warnings(action="ignore", category=MantissaNoDotYAML1_1Warning):
            return yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ValueError(f"{name}, line {line}: {_without_quotes(error.problem or 'not YAML')}") from None
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
    except (YAMLError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        # What ruamel lets through where a value does not fit its tag: `!!bool perhaps`.
        raise ValueError(f"{name} is not YAML") from None


def _problem(where: Any, problem: str) -> MarkedYAMLError:
    return ConstructorError(None, None, problem, where.start_mark)


def _without_quotes(problem: str) -> str:
    safe = _SAFE.match(problem)
    assert safe is not None
    return problem if safe.end() == len(problem) else f"{safe.group()}(a name)"


def _size(node: Node, known: dict[int, int]) -> int:
    """Characters of a node with every alias in it written out."""
    if id(node) not in known:
        known[id(node)] = _LARGEST  # until it is known: for a node that holds itself
        parts = chain.from_iterable(node.value) if isinstance(node, MappingNode) else node.value
        known[id(node)] = 1 + sum(1 if isinstance(part, str) else _size(part, known) for part in parts)
    return known[id(node)]
