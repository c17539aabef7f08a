"""What one run of a stage reads: parameters and files, each named once, where it is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from abstractor.base.params import CorpusName, Params
from abstractor.runs import resume

_Item = TypeVar("_Item")


class Inputs(Params):
    """The parameters and files of a run, remembered as they are asked for.

    dvc.yaml lists the same ones for the stage (a test compares), and what a stopped run leaves is found again by them.
    """

    def __init__(self) -> None:
        """Read params.yaml of the working directory; raises as `Params` does."""
        super().__init__()
        self.parameters: dict[str, Any] = {}
        """Key -> value of each parameter asked for so far."""
        self.files: list[Path] = []
        """Files and folders asked for so far."""
        self._others: list[Any] = []

    def get(self, key: str, kind: Any) -> Any:
        """As `Params.get`."""
        self.parameters[key] = value = super().get(key, kind)
        return value

    def file(self, path: str) -> Path:
        """A file or folder that the run reads."""
        self.files.append(Path(path))
        return self.files[-1]

    def corpus(self) -> str:
        """The name of the corpus."""
        name: str = self.get("corpus", CorpusName)
        return name

    def codebook(self) -> Path:
        """The codebook of the corpus."""
        return self.file(f"data/codebooks/{self.corpus()}.yaml")

    def also(self, item: _Item) -> _Item:
        """Something else that the result depends on, such as the device that was found."""
        self._others.append(item)
        return item

    @contextmanager
    def kept(self, purpose: str) -> Iterator[Path]:
        """The folder of what a stopped run with these inputs has finished; see `resume.kept`.

        What is asked for later, such as parameters of metrics alone, does not count.
        """
        known = sorted(self.parameters.items())
        with resume.kept(purpose, *known, *self.files, *self._others) as folder:
            yield folder
