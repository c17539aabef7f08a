"""What was broken on purpose, and what survived: counted over a run of the reliability tests.

`make test` runs each of these tests with a few cases, `make test-slow` with all of them (`--thorough`), which also
writes the sums to metrics/reliability.json.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["faults", "kills", "inputs"]
KINDS: tuple[Kind, ...] = ("faults", "kills", "inputs")


@dataclass
class Tally:
    """Sums of one test run."""

    thorough: bool
    """Whether every case is asked for; else a test tries a few."""
    tried: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    survived: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    network_bytes: int | None = None
    """Carried by the interfaces of a namespace that stages ran in, loopback included; None: not measured."""
    markers_found: int | None = None
    """Files outside data/ and the cache that hold a word planted in a narrative; None: not looked for."""

    @contextmanager
    def trial(self, kind: Kind) -> Iterator[None]:
        """One fault, kill or input: survived if the block ends without an exception."""
        self.tried[kind] += 1
        yield
        self.survived[kind] += 1

    def content(self) -> dict[str, object]:
        """As metrics/reliability.json has it."""
        sums = {kind: {"tried": self.tried[kind], "survived": self.survived[kind]} for kind in KINDS}
        return sums | {"network_bytes": self.network_bytes, "markers_found": self.markers_found}
