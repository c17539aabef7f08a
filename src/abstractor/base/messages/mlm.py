"""Of masked-language-model training."""

from pathlib import Path

from abstractor.base.errors import UserError
from abstractor.base.params import ParamsError


class MlmError(UserError):
    """The backbone cannot guess masked tokens, nothing is there to guess, or training diverged."""


def name_taken(params: Path, name: str) -> ParamsError:
    return ParamsError(f"{params}: mlm.{name}: a backbone has the name {name} already; choose another")


def nothing_to_guess(name: str, backbone: str) -> MlmError:
    return MlmError(f"mlm.{name}: no narrative has a token that {backbone} knows; take another one")


def diverged(name: str) -> MlmError:
    return MlmError(f"mlm.{name}: training diverged (the loss is not finite); lower learning_rate")


def no_encoder(backbone: str, kind: str) -> MlmError:
    return MlmError(f"backbone {backbone}: expected an encoder, found {kind}, which masks no tokens")


def no_mask(backbone: str) -> MlmError:
    return MlmError(f"backbone {backbone}: its tokenizer has no mask token; take another backbone")


def too_long(backbone: str, tokens: int) -> MlmError:
    return MlmError(f"backbone {backbone}: cannot read a row of {tokens} tokens; lower max_tokens in params.yaml")
