"""Fitting narratives into a token limit: the longer gives way first, and loses its middle."""

from collections.abc import Sequence


def fair_shares(lengths: Sequence[int], limit: int) -> list[int]:
    """Share a limit between texts: a short one keeps all, the others get equal parts of what is left.

    Args:
        lengths: tokens of each text.
        limit: tokens in all.

    Returns:
        Tokens that each text may keep, in the same order.
    """
    shares, left = [0] * len(lengths), limit
    shortest_first = sorted(range(len(lengths)), key=lambda text: lengths[text])
    for done, text in enumerate(shortest_first):
        shares[text] = min(lengths[text], left // (len(lengths) - done))
        left -= shares[text]
    return shares


def cut_middle(tokens: Sequence[int], limit: int) -> list[int]:
    """The first and the last tokens of a text: reports open with the findings and close with the ruling."""
    if len(tokens) <= limit:
        return list(tokens)
    head = (limit + 1) // 2
    tail = limit - head
    return [*tokens[:head], *tokens[len(tokens) - tail :]]
