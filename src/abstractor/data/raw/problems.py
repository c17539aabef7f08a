"""Refusals of several files and columns, gathered so that one run names them all."""

from collections.abc import Iterator
from contextlib import contextmanager

from abstractor.base.messages import raw as messages
from abstractor.base.messages.cases import CorpusError


class Problems:
    """What was refused so far; true if anything was."""

    def __init__(self) -> None:
        """Nothing so far."""
        self._found: list[CorpusError] = []

    def __bool__(self) -> bool:
        """Whether anything was refused."""
        return bool(self._found)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep a refusal of the block for later; the block ends at the first."""
        try:
            yield
        except CorpusError as error:
            self._found.append(error)

    def settle(self) -> None:
        """Raise what was refused, as one error.

        Raises:
            CorpusError: anything was.
        """
        if self._found:
            raise messages.several(self._found)
