from math import log

import pytest
import torch

from abstractor.codebook import Codebook
from abstractor.sc.layout import Layout, probabilities
from abstractor.sc.losses import binary_loss, categorical_loss, constant_loss, rdrop_loss, supervised_loss

LOG3 = log(3)  # a logit whose probability is 3/4


@pytest.fixture
def layout(codebook: Codebook) -> Layout:
    return Layout.of(codebook)


def test_layout_finds_outputs_and_labels(layout: Layout) -> None:
    assert layout == Layout([0, 4], [0, 2], [slice(1, 4)], [1])


def test_binary_loss_sums_over_coded_variables() -> None:
    logits = torch.tensor([[LOG3, -LOG3], [LOG3, 0.0]])
    labels = torch.tensor([[1, 1], [0, -1]])
    expected = torch.tensor([-log(3 / 4) - log(1 / 4), -log(1 / 4)])
    torch.testing.assert_close(binary_loss(logits, labels), expected)


def test_categorical_loss_ignores_the_uncoded() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, LOG3], [1.0, 2.0, 3.0, 4.0]])
    torch.testing.assert_close(categorical_loss(logits, torch.tensor([3, -1])), torch.tensor([log(2), 0.0]))


def test_supervised_loss_weighs_kinds(layout: Layout) -> None:
    logits = torch.tensor([[LOG3, 0.0, 0.0, 0.0, LOG3]])
    labels = torch.tensor([[1, 2, 0]])
    binary, categorical = -log(3 / 4) - log(1 / 4), log(3)
    expected = torch.tensor([2 * binary + 0.5 * categorical])
    torch.testing.assert_close(supervised_loss(layout, logits, labels, 2.0, 0.5), expected)


def test_rdrop_forms(layout: Layout) -> None:
    first = torch.tensor([[LOG3, 0.0, 0.0, LOG3, 0.0]])
    second = torch.tensor([[-LOG3, 0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(rdrop_loss(layout, first, second, "mse"), torch.tensor([(2 * LOG3) ** 2 / 2]))
    binary = (3 / 4 - 1 / 4) * 2 * LOG3 / 2
    p, q = torch.tensor([1 / 5, 1 / 5, 3 / 5]), torch.full((3,), 1 / 3)
    categorical = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
    torch.testing.assert_close(rdrop_loss(layout, first, second, "kl"), (binary + categorical).unsqueeze(0))


def test_constant_loss_is_the_entropy_of_the_labels(layout: Layout) -> None:
    labels = torch.tensor([[1, 0, -1], [0, 0, -1], [1, 1, 1], [0, -1, 1]])
    note, mood = log(2), 0.0
    place = -(2 / 3 * log(2 / 3) + 1 / 3 * log(1 / 3)) * 3 / 4
    assert constant_loss(layout, labels, 1.0, 1.0) == pytest.approx(note + mood + place)
    assert constant_loss(layout, labels, 3.0, 0.5) == pytest.approx(3 * note + 0.5 * place)


def test_probabilities(layout: Layout) -> None:
    result = probabilities(layout, torch.tensor([[LOG3, 0.0, 0.0, 0.0, -LOG3]]))
    torch.testing.assert_close(result, torch.tensor([[3 / 4, 1 / 3, 1 / 3, 1 / 3, 1 / 4]]))
