"""Where each variable's logits and label stand.

B cases, K outputs (one logit a binary variable, one a code of a categorical one), V variables.
"""

from typing import NamedTuple

from torch import Tensor

from abstractor.codebook import Codebook

NOT_CODED = -1
"""Index that stands for a missing label."""


class Layout(NamedTuple):
    """Columns of the outputs and of the labels, by kind of variable."""

    binary_outputs: list[int]
    """Columns of the logits that belong to binary variables."""
    binary_labels: list[int]
    """Columns of the labels that belong to them."""
    categorical_outputs: list[slice]
    """Columns of the logits of each categorical variable."""
    categorical_labels: list[int]
    """Column of its label."""

    @classmethod
    def of(cls, codebook: Codebook) -> "Layout":
        """The layout of `codebook.columns` and `codebook.names`."""
        slices = codebook.slices()
        kinds = [(number, slices[variable.name], variable.kind) for number, variable in enumerate(codebook.variables)]
        binaries = [(number, outputs.start) for number, outputs, kind in kinds if kind == "binary"]
        categoricals = [(number, outputs) for number, outputs, kind in kinds if kind == "categorical"]
        return cls(
            [output for _, output in binaries],
            [number for number, _ in binaries],
            [outputs for _, outputs in categoricals],
            [number for number, _ in categoricals],
        )


def probabilities(layout: Layout, logits: Tensor) -> Tensor:
    """Sigmoid of binary logits, softmax over each categorical variable's codes. Shapes (B, K) -> (B, K)."""
    result = logits.sigmoid()
    for outputs in layout.categorical_outputs:
        result[:, outputs] = logits[:, outputs].softmax(dim=1)
    return result
