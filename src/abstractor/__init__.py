"""abstractor: case narratives in, coded variables out."""

import sys

__version__ = "0.2.0"

# Every script comes by here first; what it imports next, another Python may not even be able to read.
if not (3, 11) <= sys.version_info < (3, 14):
    found = ".".join(map(str, sys.version_info[:3]))
    print(
        f"error: expected Python 3.11, 3.12 or 3.13, found {found} ({sys.executable}); make an environment of one of "
        "them, install the packages there (README.md) and run the same command with its python",
        file=sys.stderr,
    )
    sys.exit(2)
