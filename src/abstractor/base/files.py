"""Reading and writing small files: YAML as DVC writes it, JSON that never changes its order, whole files only."""

import hashlib
import json
import re
import shutil
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")

_LARGEST = 2**20
"""Characters of a YAML file, and of its content with every alias written out: a few lines of them can stand for more
than any memory holds."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 floats (5e-5, as `dvc exp run -S` writes them), no duplicate keys and small numbers."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        # Before the parent merges `<<` into the node: a key that overrides a merged one does not stand twice.
        # By their values: 1, 0x1 and true are one key to Python, and the last would silently win.
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                value = self.construct_object(key)
                if value in seen:
                    name = key.value if _NAME.fullmatch(key.value) else "(not a plain name)"
                    raise _problem(key, f"the key {name} stands twice")
                seen.add(value)
        return super().construct_mapping(node, deep=deep)

    def text(self, node: yaml.ScalarNode) -> str:
        """A text that can be written down again: an escape such as "\\ud83d" stands for half a character."""
        value = str(self.construct_scalar(node))
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise _problem(node, "half a character (\\ud800 to \\udfff); write the character itself")
        return value

    def whole_number(self, node: yaml.ScalarNode) -> int:
        """A number that can be printed and computed with."""
        value = self.construct_yaml_int(node)
        if value.bit_length() > 63:
            raise _problem(node, "a whole number of more than 63 bits")
        return value

    def unknown(self, node: yaml.Node) -> Any:
        """Refuse a tag without quoting it."""
        raise _problem(node, "an unknown tag")


def _problem(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.text)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole_number)
_Loader.add_constructor(None, _Loader.unknown)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        ValueError: not UTF-8, not YAML, too large or too deep, or a key twice in one mapping; the message names the
            line, never its text.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path} is larger than {_LARGEST} bytes")
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = re.sub(r"'[^'<]{3,}'", "(a name)", error.problem or "not YAML")
        raise ValueError(f"{path}, line {line}: {problem}") from None
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # What PyYAML lets through where a value does not fit its tag: a date out of range, `!!bool perhaps`.
        raise ValueError(f"{path} is not YAML") from None


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is None:
        return None
    if _size(node, {}) > _LARGEST:
        raise _problem(node, "its aliases stand for too much, or for themselves")
    return loader.construct_document(node)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Characters of a node with every alias in it written out."""
    if id(node) not in known:
        known[id(node)] = _LARGEST  # until it is known: for a node that holds itself
        parts = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(1 if isinstance(part, str) else _size(part, known) for part in parts)
    return known[id(node)]


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON with a final newline, whole or not at all."""
    with replaced(path) as partial:
        partial.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place (file or folder) when the block ends well.

    A block that raises leaves `path` as it was and the temporary file removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    for rest in (partial, _doomed(path)):  # of a run that was killed
        _remove(rest)
    try:
        yield partial
        if path.is_dir():
            discard(path)
        partial.replace(path)
    finally:
        _remove(partial)


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first, whatever a killed run left in it, and gone at the end."""
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        _remove(folder)


def discard(folder: Path) -> None:
    """Remove a folder, first from under its name: a run that is killed meanwhile leaves no part of it there."""
    doomed = _doomed(folder)
    _remove(doomed)
    folder.rename(doomed)
    _remove(doomed)


def _doomed(path: Path) -> Path:
    return path.with_name(f".{path.name}.discarded")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
