"""What tests share: whole tiny projects, tiny models, faults, and where the project lies."""

from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
"""The project's folder."""
NEEDS_BITSANDBYTES = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="`make test` installs bitsandbytes")
"""What runs 8-bit Adam or quantised weights in the test's own process."""
