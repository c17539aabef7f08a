"""What a test needs that is not everywhere. Apart from what the check of a GPU uses, which has no pytest."""

from importlib.util import find_spec

import pytest

NEEDS_BITSANDBYTES = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="`make test` installs bitsandbytes")
"""What runs 8-bit Adam or quantised weights in the test's own process."""
