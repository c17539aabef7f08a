"""Losses against numbers worked out by hand."""

from math import log, nan

import pytest
import torch

from abstractor.models.ar.answers import NEVER
from abstractor.training.ar.losses import cross_entropy, symmetric_kl


def test_cross_entropy_is_the_mean_over_the_coded_questions_of_each_case() -> None:
    shares = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], [[0.2, 0.2, 0.6], [0.3, 0.3, 0.4]]])
    none = [nan] * 3
    losses = cross_entropy(shares.log(), torch.tensor([[[1, 0, 0], [0, 0, 1]], [none, [1, 0, 0]]]))

    assert losses.tolist() == pytest.approx([(-log(0.5) - log(0.7)) / 2, -log(0.3)], abs=1e-6)


def test_a_soft_target_counts_every_option_by_its_share() -> None:
    shares = torch.tensor([[[0.5, 0.25, 0.25]]])
    loss = cross_entropy(shares.log(), torch.tensor([[[0.75, 0.25, 0.0]]]))

    assert loss.item() == pytest.approx(-0.75 * log(0.5) - 0.25 * log(0.25), abs=1e-6)


def test_a_case_without_codes_costs_nothing_and_pulls_at_nothing() -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    none = [nan] * 4
    targets = torch.tensor([[none, none, none], [[1, 0, 0, 0], none, [0, 0, 0, 1]]])
    losses = cross_entropy(logits.log_softmax(dim=2), targets)
    losses.sum().backward()

    assert losses[0] == 0
    assert logits.grad is not None
    assert not logits.grad[0].any()
    assert logits.grad[1, 0].any()
    assert not logits.grad[1, 1].any()


def test_symmetric_kl_sums_over_questions() -> None:
    first = torch.tensor([[[0.5, 0.5], [0.9, 0.1]]]).log()
    second = torch.tensor([[[0.25, 0.75], [0.9, 0.1]]]).log()
    forth = 0.5 * log(0.5 / 0.25) + 0.5 * log(0.5 / 0.75)
    back = 0.25 * log(0.25 / 0.5) + 0.75 * log(0.75 / 0.5)

    assert symmetric_kl(first, second).tolist() == pytest.approx([(forth + back) / 2], abs=1e-6)
    assert symmetric_kl(first, first).tolist() == pytest.approx([0])


def test_a_missing_option_adds_nothing() -> None:
    first, second = torch.randn(2, 1, 1, 2)
    padded = [torch.cat([logits, torch.full((1, 1, 1), NEVER)], dim=2).requires_grad_() for logits in (first, second)]
    divergence = symmetric_kl(*padded)
    divergence.sum().backward()

    assert divergence.item() == pytest.approx(symmetric_kl(first, second).item(), abs=1e-6)
    assert padded[0].grad is not None
    assert torch.isfinite(padded[0].grad).all()
    found = cross_entropy(padded[0].log_softmax(dim=2), torch.tensor([[[0.25, 0.75, 0.0]]]))
    assert found.item() == pytest.approx(
        cross_entropy(first.log_softmax(dim=2), torch.tensor([[[0.25, 0.75]]])).item(), abs=1e-6
    )
