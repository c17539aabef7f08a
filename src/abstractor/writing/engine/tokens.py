"""Text to tokens and back: only the chat template makes special tokens, and none of them reaches a text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from abstractor.base.messages import writing as messages
from abstractor.models.ar import chat
from abstractor.models.shared.tokenizers import made_by_plain_text, special_ids
from abstractor.writing.engine.checks import BROKEN
from abstractor.writing.engine.prompts import Style

_ASKED, _ANSWERED = "REQUESTSTANDSHERE", "ANSWERSTANDSHERE"


class Written(NamedTuple):
    """An answer of a model."""

    text: str
    """Without what ended it; `checks.BROKEN` stands for each special token."""
    ended: bool
    """False: the limit of new tokens came first."""


class TextTokens:
    """Encodes prompts for one tokenizer and decodes answers.

    Attributes:
        stops: ids that end an answer, sorted.
        pad: id of the padding.
    """

    def __init__(self, tokenizer: Any, style: Style, ends: Sequence[int] = ()) -> None:
        """Render the chat template once, where `style` needs it.

        Args:
            tokenizer: of `load_tokenizer`, a fast one.
            style: template or examples.
            ends: ids that end a text, beside the tokenizer's own and the template's end of a turn.

        Raises:
            WritingError: there is no chat template, it moves the user's text, or plain text yields special tokens.
        """
        self._tokenizer = tokenizer
        if (text := made_by_plain_text(tokenizer)) is not None:
            raise messages.special_in_plain(text)
        self._specials = special_ids(tokenizer)
        starts = tokenizer.bos_token_id in tokenizer("a")["input_ids"]
        self._head: list[int] = [tokenizer.bos_token_id] if starts else []
        self._tail: list[int] = []
        own = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        if style == "template":
            self._head, self._tail, turn = self._frame()
            own += turn
        self.stops = sorted({*own, *ends})
        self.pad = next((n for n in (tokenizer.pad_token_id, tokenizer.eos_token_id) if n is not None), 0)

    def encode(self, prompt: str) -> list[int]:
        """The ids of a prompt in its frame."""
        return [*self._head, *self._ids(prompt, plain=True), *self._tail]

    def text(self, ids: Sequence[int]) -> str:
        """The text of some ids, `checks.BROKEN` in place of each special token."""
        pieces: list[list[int]] = [[]]
        for token in ids:
            if token in self._specials:
                pieces.append([])
            else:
                pieces[-1].append(token)
        return BROKEN.join(map(self._decoded, pieces))

    def read(self, ids: Sequence[int], marker: str | None) -> Written:
        """An answer from the ids that a model added to a prompt, up to the first end.

        Args:
            ids: new ids; what follows an end is padding.
            marker: text that ends an answer too; None: none.
        """
        end = next((place for place, token in enumerate(ids) if token in self.stops), len(ids))
        text, found, _ = self.text(ids[:end]).partition(marker) if marker else (self.text(ids[:end]), "", "")
        return Written(text, end < len(ids) or bool(found))

    def _decoded(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _ids(self, text: str, plain: bool) -> list[int]:
        return chat.encode(self._tokenizer, text, plain)

    def _frame(self) -> tuple[list[int], list[int], list[int]]:
        """Ids before and after a request, and the special token, if there is one, that ends an answer."""
        if not self._tokenizer.chat_template:
            raise messages.no_template()
        parts = chat.render(self._tokenizer, [("user", _ASKED)]).split(_ASKED)
        if len(parts) != 2:
            raise messages.moved_request(len(parts) - 1)
        exchange = [("user", _ASKED), ("assistant", _ANSWERED)]
        answered = chat.render(self._tokenizer, exchange, opened=False)
        after = self._ids(answered.rpartition(_ANSWERED)[2], plain=False)
        head, tail = (self._ids(part, plain=False) for part in parts)
        return head, tail, [token for token in after if token in self._specials][:1]
