"""What a model learns to say of a case: a probability for every column of a prediction.

A coded case has ones and zeros, a soft-labelled one what its teachers said, and a variable that nobody coded has none
(not a number): it is left out of the loss. The columns are those of a predictions table, so that a prediction can
become a target.
"""

import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED


def of_labels(codebook: Codebook, labels: pd.DataFrame) -> pd.DataFrame:
    """Targets of coded cases.

    Args:
        codebook: gives the variables.
        labels: index `uid`, one int column a variable: the code, or `NOT_CODED`.

    Returns:
        Index as `labels`, float32 columns as `codebook.columns`: 1 for the code, 0 for the others, NaN where not coded.
    """
    columns = []
    for variable in codebook.variables:
        codes = labels[variable.name].to_numpy()
        hits = codes[:, None] == np.array([1] if variable.kind == "binary" else variable.codes)
        columns.append(np.where((codes == NOT_CODED)[:, None], np.nan, hits))
    return pd.DataFrame(np.concatenate(columns, axis=1, dtype=np.float32), labels.index, list(codebook.columns))


def likeliest(codebook: Codebook, targets: pd.DataFrame) -> pd.DataFrame:
    """The likeliest code of each variable, for what needs one code a case: stratifying, counting.

    Args:
        codebook: gives the variables.
        targets: index `uid`, columns as `codebook.columns`.

    Returns:
        Index as `targets`, int16 columns as `codebook.names`; `NOT_CODED` where there is no target. Of `of_labels` it
        is the inverse.
    """
    found = {}
    for variable in codebook.variables:
        given = variable.by_code(targets[list(variable.columns)].to_numpy(np.float64))
        coded = ~np.isnan(given).any(axis=1)
        codes = np.array(variable.codes)[np.nan_to_num(given).argmax(axis=1)]
        found[variable.name] = np.where(coded, codes, NOT_CODED).astype(np.int16)
    return pd.DataFrame(found, targets.index)
