"""Reading and writing small files: YAML as DVC writes it, JSON that never changes its order, whole files only."""

import json
import re
import shutil
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 floats (5e-5, as `dvc exp run -S` writes them) and no duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        # Before the parent merges `<<` into the node: a key that overrides a merged one does not stand twice.
        seen = set()
        for key, _ in node.value:
            if (key.tag, str(key.value)) in seen:
                name = key.value if _NAME.fullmatch(str(key.value)) else "(not a plain name)"
                raise yaml.constructor.ConstructorError(None, None, f"the key {name} stands twice", key.start_mark)
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        ValueError: not UTF-8, not YAML, or a key twice in one mapping; the message names the line, never its text.
        OSError: the file cannot be read.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = re.sub(r"'[^'<]{3,}'", "(a name)", error.problem or "not YAML")
        raise ValueError(f"{path}, line {line}: {problem}") from None
    except (yaml.YAMLError, ValueError):  # a ValueError is a number or a date out of range
        raise ValueError(f"{path} is not YAML") from None


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
    _remove(partial)
    try:
        yield partial
        if path.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
