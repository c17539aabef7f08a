"""R-Drop: two passes with different dropout should agree (arXiv 2106.14448).

B cases, N binary variables, C codes of one categorical variable. Every function returns one value a case,
so that the weight `rdrop` means the same whatever the batch.
"""

from torch import Tensor
from torch.nn.functional import log_softmax


def squared_difference(first: Tensor, second: Tensor) -> Tensor:
    """Mean over the binary logits of (a - b)^2. Shapes (B, N), (B, N) -> (B,)."""
    return (first - second).square().mean(dim=1)


def binary_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Symmetric KL of Bernoulli variables given by logits, summed over variables. Shapes (B, N), (B, N) -> (B,).

    (KL(p||q) + KL(q||p)) / 2 = (p - q)(logit p - logit q) / 2, without a logarithm of a small number.
    """
    return ((first.sigmoid() - second.sigmoid()) * (first - second)).sum(dim=1) / 2


def categorical_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Symmetric KL of one categorical variable given by logits. Shapes (B, C), (B, C) -> (B,).

    (KL(p||q) + KL(q||p)) / 2 = sum over codes of (p - q)(log p - log q) / 2.
    """
    log_p, log_q = log_softmax(first, dim=1), log_softmax(second, dim=1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=1) / 2
