"""Label attention: a head whose variables each read the tokens of a row by a query of their own.

R rows, L tokens, H hidden units, V variables, K outputs. Papers: CAML (arXiv 1802.05695), LAAT (arXiv 2007.06351), of
which the query alone is taken: a few hundred cases teach no projection before it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_SPREAD = 0.5
"""Standard deviation of a query's first scores: the weights of a row's tokens then differ little, as in its mean."""


class LabelHead(nn.Linear):
    """A linear head whose outputs read the pooled vector of their variable, not of the row."""

    def __init__(self, hidden: int, variables: Sequence[int]) -> None:
        """Begin with queries of 0, under which each pooled vector is the mean of the row's tokens.

        Args:
            hidden: H.
            variables: (K,), which variable an output belongs to, 0 to V-1.
        """
        super().__init__(hidden, len(variables))
        self.queries = nn.Parameter(torch.zeros(max(variables) + 1, hidden))
        self.register_buffer("variables", torch.tensor(variables), persistent=False)

    @torch.no_grad()
    def ask(self, states: Tensor, mask: Tensor) -> None:
        """Take the means of the variables' questions for queries, less what all questions share, at a small scale.

        Args:
            states: (V, L, H), of the questions.
            mask: (V, L), 1 for a token, 0 for padding.
        """
        means = self.pool(states, mask)[:, 0]  # the queries are 0 so far
        own = means - means.mean(dim=0)
        spread = _scores(states[mask.bool()], own).std(dim=0, keepdim=True)
        self.queries.copy_(own * (_SPREAD / spread.clamp(min=1e-6)).transpose(0, 1))

    def pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """Mean of a row's tokens for each variable, weighted by softmax over tokens of query * state / sqrt(H).

        Args:
            states: (R, L, H).
            mask: (R, L), 1 for a token, 0 for padding.

        Returns:
            (R, V, H).
        """
        scores = _scores(states, self.queries).masked_fill(mask.unsqueeze(-1) == 0, -torch.inf)
        return scores.softmax(dim=1).transpose(1, 2) @ states

    def forward(self, pooled: Tensor) -> Tensor:
        """Shapes (R, V, H) -> (R, K)."""
        return (pooled[:, self.get_buffer("variables")] * self.weight).sum(dim=-1) + self.bias


def _scores(states: Tensor, queries: Tensor) -> Tensor:
    """Shapes (.., H), (V, H) -> (.., V)."""
    return states @ (queries.transpose(0, 1) / math.sqrt(states.shape[-1]))
