"""Which cases tell of the same event: narratives that are equal but for white space and capitals."""

import pandas as pd


def keys(cases: pd.DataFrame) -> pd.Series:
    """A text a case that is the same for copies: its narratives in small letters, white space as one blank.

    Args:
        cases: index `uid`, str narrative columns.

    Returns:
        The same index; str. An empty narrative counts: the same text in another column is another key.
    """
    narratives = [cases[name].str.casefold().str.split().str.join(" ") for name in cases]
    key = narratives[0].str.cat(narratives[1:], sep="\n") if len(narratives) > 1 else narratives[0]
    return key.rename("key")
