"""Prompts: reports first, one question last, answered by one token.

    prefix (once a case)          [template head] [description:] [report] ... [how to answer]
    suffix (once a variable)      [question, options] [end of turn, start of the answer]

So the questions stand `apart`, each with an end of turn of its own. The other forms ask within the answer, which has
begun before the suffixes, so that these hold little else than what tells one question from the others:

    inside    prefix              [template head] [description:] [report] ... [how to answer] [end of turn, start of ..]
              suffix              [question, options] [:]
    bare      prefix              as inside
              suffix              [name, options] [:]
    names     prefix              [template head] [- name: question, options] ... and on as inside
              suffix              [name] [:]

Every bracket is tokenised alone, so that no token reaches over a border and both layouts of `packing`
see the same ids. Only the chat template may produce control tokens; reports and questions are plain
text even where they spell one.
"""

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, Literal, NamedTuple

from abstractor.base.messages import prompts as messages
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.models.ar import chat
from abstractor.models.shared.tokenizers import made_by_plain_text
from abstractor.models.shared.truncation import fair_shares
from abstractor.models.shared.wording import described, in_words, options

Form = Literal["apart", "inside", "bare", "names"]
"""Where the questions stand."""

CUT = " ... "
"""Stands where the middle of a long report was left out."""
HOW = "\nAnswer Yes or No, or the letter of an option.\n"

_MARK = ":"
"""Behind a question within the answer; a question mark would make it two tokens, or another one."""

_SENTINEL = "REPORTSANDQUESTION"
_LEAST = 16
"""Tokens that every report must be able to keep."""


class Prompts:
    """The prompts of one codebook for one tokenizer.

    Attributes:
        suffixes: per variable, the ids after the prefix.
        answers: per variable, the id of each code's answer token, in codebook order (binary: No, Yes).
        longest: tokens of the longest possible prompt.
    """

    def __init__(
        self, tokenizer: Any, codebook: Codebook, max_tokens: int, system: str = "template", form: Form = "apart"
    ) -> None:
        """Render the template once and tokenise all that cases share.

        Args:
            tokenizer: of `load_tokenizer`, a fast one.
            codebook: gives reports, questions and options.
            max_tokens: limit of a prefix, a list of questions included; longer reports are cut in the middle.
            system: template, none, or the text of a system prompt (see `params.ArModel.system`).
            form: where the questions stand.

        Raises:
            PromptError: the template refuses the system prompt or moves the user's text, an answer is not one
                token of its own, plain text yields control tokens, or `max_tokens` leaves no room for reports.
        """
        self._tokenizer = tokenizer
        head, tail = _frame(tokenizer, system)
        asked = _asked(form, codebook, tail)
        self._head = self._control(head) + self._plain(asked.listed)
        self._intros = [self._plain(f"{text[:1].upper()}{text[1:]}:") for text in codebook.narratives.values()]
        self._none, self._cut, self._end, how = map(self._plain, (" none", CUT, "\n", HOW))
        self._how = how + self._control(asked.opened)
        fixed = len(self._head) + len(self._how) + sum(map(len, self._intros)) + len(self._intros) * len(self._end)
        self._room = max_tokens - fixed
        if self._room < _LEAST * len(self._intros):
            least = fixed + _LEAST * len(self._intros)
            raise messages.no_room(least, fixed, max_tokens)
        mark = self._control(asked.mark)
        if (text := made_by_plain_text(tokenizer)) is not None:
            raise messages.control_in_plain(text)
        self.suffixes = [self._plain(text) + mark for text in asked.each]
        self.answers = [self._answer_tokens(variable, asked.mark, mark) for variable in codebook.variables]
        self.longest = max_tokens + max(map(len, self.suffixes))

    def prefix(self, reports: Sequence[str], swapped: bool = False) -> list[int]:
        """The ids of one case's prefix, `max_tokens` at most.

        Args:
            reports: the narratives in the codebook's order; "" when empty.
            swapped: put the reports in the reverse order.
        """
        texts = [self._plain(f" {report.strip()}") if report.strip() else self._none for report in reports]
        shares = fair_shares([*map(len, texts)], self._room)
        kept = [self._middle_cut(text, share) for text, share in zip(texts, shares, strict=True)]
        blocks = [intro + text + self._end for intro, text in zip(self._intros, kept, strict=True)]
        return [*self._head, *(token for block in (blocks[::-1] if swapped else blocks) for token in block), *self._how]

    def parts(self) -> dict[str, Any]:
        """The ids that `prefix` puts together, by their names, and `room`: the tokens that reports may take."""
        named = {"head": self._head, "intros": self._intros, "none": self._none, "cut": self._cut, "end": self._end}
        return named | {"how": self._how, "room": self._room}

    def _middle_cut(self, ids: list[int], share: int) -> list[int]:
        if len(ids) <= share:
            return ids
        back = (share - len(self._cut)) // 2
        return ids[: share - len(self._cut) - back] + self._cut + ids[len(ids) - back :]

    def _plain(self, text: str) -> list[int]:
        """Ids of a text that is not ours to trust."""
        return chat.encode(self._tokenizer, text, plain=True)

    def _control(self, text: str) -> list[int]:
        return chat.encode(self._tokenizer, text, plain=False)

    def _answer_tokens(self, variable: Variable, mark: str, mark_ids: list[int]) -> list[int]:
        """Answer ids checked in place: after the mark, where a neighbour could swallow a short answer."""
        blank = "" if mark[-1:].isspace() else " "
        words = ["No", "Yes"] if variable.kind == "binary" else list(ascii_uppercase[: len(variable.codes)])
        found = [self._control(mark + blank + word) for word in words]
        if any(ids[:-1] != mark_ids for ids in found) or len({ids[-1] for ids in found}) < len(words):
            raise messages.answers_unlike(variable.name, words, [len(ids) - len(mark_ids) for ids in found])
        return [ids[-1] for ids in found]


class _Asked(NamedTuple):
    """What asks, in one of the forms."""

    listed: str
    """Before the reports: all questions."""
    opened: str
    """Behind how to answer: the start of the answer."""
    each: list[str]
    """What each suffix says."""
    mark: str
    """How each suffix ends, where the answer goes."""


def _asked(form: Form, codebook: Codebook, tail: str) -> _Asked:
    questions = [_question(variable) for variable in codebook.variables]
    if form == "apart":
        return _Asked("", "", questions, tail or "\nAnswer:")
    if form == "inside":
        return _Asked("", tail, [question.rstrip(" ?.") for question in questions], _MARK)
    if form == "bare":
        return _Asked("", f"{tail}-", [f" {described(variable)}" for variable in codebook.variables], _MARK)
    names = [f" {in_words(variable.name)}" for variable in codebook.variables]
    lines = [f"-{name}{_MARK} {question}\n" for name, question in zip(names, questions, strict=True)]
    return _Asked("".join([*lines, "\n"]), f"{tail}-", names, _MARK)


def _question(variable: Variable) -> str:
    return variable.question if variable.kind == "binary" else f"{variable.question} {options(variable)}"


def _frame(tokenizer: Any, system: str) -> tuple[str, str]:
    """What the chat template writes before and after the user's text; without a template, nothing after it."""
    if not tokenizer.chat_template:
        bos = tokenizer.bos_token if tokenizer.bos_token_id in tokenizer("a")["input_ids"] else None
        text = "" if system in ("template", "none") else f"{system}\n"
        return f"{bos or ''}{text}", ""
    if system == "template":
        frames = [_render(tokenizer, None)]
    elif system == "none":
        frames = [_render(tokenizer, text) for text in (None, "")]
    else:
        frames = [_render(tokenizer, system)]
    rendered = [frame for frame in frames if frame is not None]
    if not rendered or (system not in ("template", "none") and system not in rendered[0]):
        raise messages.no_system_prompt()
    # Some templates write a default prompt unless they get an empty one, others frame even an empty one.
    frame = min(rendered, key=len).split(_SENTINEL)
    if len(frame) != 2:
        raise messages.moved_text(len(frame) - 1)
    return frame[0], frame[1]


def _render(tokenizer: Any, system: str | None) -> str | None:
    """The template around the sentinel; None where it refuses a system message."""
    from jinja2.exceptions import TemplateError

    messages = [] if system is None else [("system", system)]
    try:
        return chat.render(tokenizer, [*messages, ("user", _SENTINEL)])
    except TemplateError:
        return None
