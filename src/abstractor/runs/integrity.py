"""Model folders that nobody changed: what they may hold, and the hashes of what they hold.

A pin is kept outside a pretrained model's folder and names its files. A seal lies inside a trained model's folder and
says whose it is as well: fold 1's model in the place of fold 0's would predict cases that it learned from.
"""

import json
import re
from pathlib import Path
from typing import Any

from abstractor.base.errors import UserError
from abstractor.base.files import sha256, write_json

Pin = dict[str, Any]

KEPT = re.compile(
    r"config\.json|generation_config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"
    r"|tokenizer(_config)?\.json|(special_tokens_map|added_tokens|vocab)\.json|vocab\.txt|merges\.txt"
    r"|(spm|spiece|tokenizer|sentencepiece\.bpe)\.model|chat_template\.jinja"
)
"""What a pretrained model's folder may hold: no pickle, no code."""

_SEAL = "seal.json"
_TRAINED = re.compile(
    rf"{KEPT.pattern}|(adapter_config|classifier|reading|rows|seal)\.json|(adapter_model|head)\.safetensors"
    r"|model\.backbone(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.backbone\.json|README\.md"
)
"""What a trained model's folder may hold."""
_RUNS_CODE = frozenset({"auto_map", "custom_pipelines", "trust_remote_code"})
"""Keys by which a config asks for code that comes with a model."""


class SealError(UserError):
    """A model folder is missing, changed, somebody else's, or may run code."""


def pin(name: str, folder: Path) -> Pin:
    """What identifies a fetched model: `{"name": .., "files": {relative path: sha256}}`, paths sorted.

    Raises:
        SealError: the folder is incomplete or not safe, see `check_complete` and `check_safe`.
    """
    check_complete(name, folder)
    check_safe(folder)
    return {"name": name, "files": _hashes(folder)}


def verify(folder: Path, expected: Pin) -> None:
    """Refuse a pretrained model that differs from its pin.

    Raises:
        SealError: a file is missing, added or changed.
    """
    _compare(folder, pin(expected["name"], folder)["files"], expected["files"])


def write_seal(folder: Path, place: Path) -> None:
    """Seal the files of a trained model in `folder`, which will lie at `place`: models/<model>/<fold>."""
    write_json(folder / _SEAL, {"files": _hashes(folder), **_owner(place)})


def check_seal(folder: Path) -> None:
    """Refuse a trained model that is not what training wrote for this place.

    Raises:
        SealError: there is no seal; a file is missing, added or changed; the folder is another model's or fold's; or
            it is not safe, see `check_safe`.
    """
    try:
        seal = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        expected = {**seal["files"]}
        owner = {key: seal[key] for key in _owner(folder)}
    except FileNotFoundError:
        raise SealError(
            f"{folder / _SEAL} is missing; run the stage that trains the model, or pull it: `dvc pull {folder}`"
        ) from None
    except (ValueError, TypeError, KeyError):
        raise SealError(f"{folder / _SEAL} is no seal; {_restore(folder)}") from None
    if owner != _owner(folder):
        raise SealError(f"{folder} holds the model of {owner['model']}/{owner['fold']}; {_restore(folder)}")
    check_safe(folder, _TRAINED)
    _compare(folder, {name: found for name, found in _hashes(folder).items() if name != _SEAL}, expected)


def check_complete(name: str, folder: Path) -> None:
    """Refuse a pretrained model without a config or without safetensors."""
    for needed in ("config.json", "*.safetensors"):
        if not any(folder.glob(needed)):
            raise SealError(
                f"backbone {name}: expected {needed} in the model's folder, found none; check `path`, "
                f"and convert weights of another form (*.pt, *.h5) to safetensors"
            )


def check_safe(folder: Path, allowed: re.Pattern[str] = KEPT) -> None:
    """Refuse a model folder that may run code when it is loaded.

    Raises:
        SealError: it holds a file of another kind than `allowed` (a pickle, code), or a config asks for code.
    """
    for name, path in _files(folder).items():
        if not allowed.fullmatch(name):
            raise SealError(
                f"{path} is no file of a model folder, which holds safetensors, JSON, tokenizer and card alone; "
                f"{_restore(folder)}"
            )
        if name.endswith("config.json"):
            try:
                asked = _keys(json.loads(path.read_text(encoding="utf-8"))) & _RUNS_CODE
            except ValueError:
                raise SealError(f"{path} is not JSON; {_restore(folder)}") from None
            if asked:
                raise SealError(
                    f"{path}: {min(asked)} asks for code that comes with the model, which is never run; "
                    "take a model that transformers knows by itself"
                )


def _compare(folder: Path, found: dict[str, str], expected: dict[str, str]) -> None:
    changed = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if changed:
        raise SealError(f"{folder}: {', '.join(changed)} changed, missing or added since; {_restore(folder)}")


def _restore(folder: Path) -> str:
    return f"put back what belongs there: `dvc checkout --force {folder}`, or `dvc pull --force {folder}`"


def _owner(place: Path) -> dict[str, str]:
    place = place.absolute()
    return {"model": place.parent.name, "fold": place.name}


def _files(folder: Path) -> dict[str, Path]:
    """All files below a folder, by relative path, sorted."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _hashes(folder: Path) -> dict[str, str]:
    return {name: sha256(path) for name, path in _files(folder).items()}


def _keys(content: Any) -> set[str]:
    """The keys of all mappings in a JSON document."""
    if isinstance(content, dict):
        return set(content).union(*map(_keys, content.values()))
    return set().union(*map(_keys, content)) if isinstance(content, list) else set()
