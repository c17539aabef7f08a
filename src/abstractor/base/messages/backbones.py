"""Pretrained models in their folders, and what their architectures can do."""

from pathlib import Path

from abstractor.base.errors import RunError, UserError


class ArchitectureError(UserError):
    """What is asked for is known to compute something wrong on this architecture."""


def not_fetched(folder: Path) -> RunError:
    return RunError(
        f"{folder} is missing; make it with `dvc repro fetch_backbone@{folder.name}` or `dvc pull {folder}`"
    )


def no_pin(pin: Path) -> RunError:
    return RunError(f"{pin} is missing or damaged; put it back: `dvc checkout --force {pin}`, or `dvc pull {pin}`")


def another_backbone(pin: Path, name: str) -> RunError:
    return RunError(f"{pin} pins another backbone than {name}; `dvc repro` makes it anew, and what depends on it")


def float16_is_wrong(kind: str, why: str) -> ArchitectureError:
    return ArchitectureError(f"float16 is wrong for {kind}: {why}; set dtype to bfloat16 or float32")


def attention_is_wrong(asked: str, why: str, kind: str, where: str, other: str) -> ArchitectureError:
    return ArchitectureError(f"attention: {asked} {why} for {kind}{where}; set it to auto or {other}")
