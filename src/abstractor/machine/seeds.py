"""A seed of its own for each purpose."""

import hashlib


def derive_seed(seed: int, *purpose: object) -> int:
    """A seed of its own for each purpose (folds, initialisation, data order, ..), so that none disturbs another."""
    digest = hashlib.sha256("/".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31
