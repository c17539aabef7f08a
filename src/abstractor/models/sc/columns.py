"""Where each variable's outputs stand, in logits as in targets.

B cases, K outputs (one a binary variable, one a code of a categorical one).
"""

from typing import NamedTuple

from torch import Tensor

from abstractor.data.cases.codebook import Codebook


class Layout(NamedTuple):
    """Columns of the outputs, by kind of variable."""

    binary_outputs: list[int]
    """Columns that belong to binary variables."""
    categorical_outputs: list[slice]
    """Columns of each categorical variable."""

    @classmethod
    def of(cls, codebook: Codebook) -> "Layout":
        """The layout of `codebook.columns`."""
        slices = codebook.slices()
        kinds = [(slices[variable.name], variable.kind) for variable in codebook.variables]
        return cls(
            [outputs.start for outputs, kind in kinds if kind == "binary"],
            [outputs for outputs, kind in kinds if kind == "categorical"],
        )


def variables(codebook: Codebook) -> list[int]:
    """(K,), the number of the variable that an output belongs to."""
    return [number for number, variable in enumerate(codebook.variables) for _ in variable.columns]


def probabilities(layout: Layout, logits: Tensor) -> Tensor:
    """Sigmoid of binary logits, softmax over each categorical variable's codes. Shapes (B, K) -> (B, K)."""
    result = logits.sigmoid()
    for outputs in layout.categorical_outputs:
        result[:, outputs] = logits[:, outputs].softmax(dim=1)
    return result
