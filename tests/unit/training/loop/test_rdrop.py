import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from abstractor.training.loop.rdrop import binary_divergence, categorical_divergence, squared_difference


def test_squared_difference_is_a_mean_over_variables() -> None:
    first, second = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    assert squared_difference(first, second).tolist() == [2.5, 0.0]


def test_binary_divergence_is_the_symmetric_kl_of_bernoullis() -> None:
    first, second = torch.randn(4, 3), torch.randn(4, 3)
    p, q = Bernoulli(logits=first), Bernoulli(logits=second)
    expected = (kl_divergence(p, q) + kl_divergence(q, p)).sum(dim=1) / 2
    torch.testing.assert_close(binary_divergence(first, second), expected)


def test_categorical_divergence_is_the_symmetric_kl_of_softmaxes() -> None:
    first, second = torch.randn(4, 5), torch.randn(4, 5)
    p, q = Categorical(logits=first), Categorical(logits=second)
    expected = (kl_divergence(p, q) + kl_divergence(q, p)) / 2
    torch.testing.assert_close(categorical_divergence(first, second), expected)
