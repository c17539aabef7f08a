from math import log

import pytest
import torch

from abstractor.data.cases.codebook import Codebook
from abstractor.models.sc.columns import Layout, probabilities
from abstractor.training.sc.losses import (
    Terms,
    binary_loss,
    categorical_loss,
    constant_loss,
    lovasz_loss,
    rdrop_loss,
    smoothed,
    supervised_loss,
)

LOG3 = log(3)  # a logit whose probability is 3/4
NONE = float("nan")


@pytest.fixture
def layout(codebook: Codebook) -> Layout:
    return Layout.of(codebook)


def test_layout_finds_outputs(layout: Layout) -> None:
    assert layout == Layout([0, 4], [slice(1, 4)])


def test_binary_loss_sums_over_coded_variables() -> None:
    logits = torch.tensor([[LOG3, -LOG3], [LOG3, 0.0]])
    targets = torch.tensor([[1, 1], [0, NONE]])
    expected = torch.tensor([-log(3 / 4) - log(1 / 4), -log(1 / 4)])
    torch.testing.assert_close(binary_loss(logits, targets), expected)


def test_binary_loss_of_soft_targets() -> None:
    expected = torch.tensor([-0.2 * log(3 / 4) - 0.8 * log(1 / 4)])
    torch.testing.assert_close(binary_loss(torch.tensor([[LOG3]]), torch.tensor([[0.2]])), expected)


def test_categorical_loss_ignores_the_uncoded() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, LOG3], [1.0, 2.0, 3.0, 4.0]])
    targets = torch.tensor([[0.0, 0.0, 0.0, 1.0], [NONE] * 4])
    torch.testing.assert_close(categorical_loss(logits, targets), torch.tensor([log(2), 0.0]))


def test_categorical_loss_of_soft_targets() -> None:
    targets = torch.tensor([[0.1, 0.0, 0.5, 0.4]])
    expected = torch.tensor([0.6 * log(6) + 0.4 * log(2)])
    torch.testing.assert_close(categorical_loss(torch.tensor([[0.0, 0.0, 0.0, LOG3]]), targets), expected)


def test_focal_loss_weighs_by_the_distance_to_the_target() -> None:
    logits, targets = torch.tensor([[LOG3, LOG3, LOG3]]), torch.tensor([[1.0, 0.25, NONE]])
    soft = -0.25 * log(3 / 4) - 0.75 * log(1 / 4)
    expected = torch.tensor([(1 / 4) ** 2 * -log(3 / 4) + (1 / 2) ** 2 * soft])
    torch.testing.assert_close(binary_loss(logits, targets, 2.0), expected)


def test_categorical_focal_loss_weighs_by_what_is_missing() -> None:
    logits, targets = torch.tensor([[0.0, 0.0, 0.0, LOG3]]), torch.tensor([[0.1, 0.0, 0.5, 0.4]])
    expected = torch.tensor([0.6 * (5 / 6) ** 2 * log(6) + 0.4 * (1 / 2) ** 2 * log(2)])
    torch.testing.assert_close(categorical_loss(logits, targets, 2.0), expected)


def test_the_slope_of_focal_loss_is_finite_where_the_target_is_met() -> None:
    logits = torch.tensor([[40.0, 0.0, -40.0]], requires_grad=True)
    loss = binary_loss(logits, torch.tensor([[1.0, 0.5, NONE]]), 0.5)
    loss = loss + categorical_loss(logits, torch.tensor([[1.0, 0.0, 0.0]]), 0.5)
    torch.autograd.backward(loss.sum())
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_lovasz_loss_is_the_mean_of_the_hinges_of_both_classes() -> None:
    """Mistakes in order: 1.5 on a one, 1 on a zero, none on the other one.

    Ones: Jaccard loss 1/2, then 2/3. Zeros: 1/2, then 1. What is not coded, and another case, change nothing.
    """
    ones, zeros = 1.5 / 2 + (2 / 3 - 1 / 2), 1.5 / 2 + 1 / 2
    logits = torch.tensor([[9.0, 2.0, -0.5, 0.0, -9.0], [-1.0, 2.0, 3.0, 4.0, 5.0]])
    targets = torch.tensor([[NONE, 0.7, 1.0, 0.1, NONE], [NONE] * 5])
    torch.testing.assert_close(lovasz_loss(logits, targets), torch.tensor([(ones + zeros) / 2, 0.0]))


@pytest.mark.parametrize("codes", [(1, 1, 0, 0, 1), (0, 0, 0, 0, 0)])
@pytest.mark.parametrize("said", [(1, 1, 0, 0, 1), (0, 1, 1, 0, 1), (1, 1, 1, 1, 1)])
def test_lovasz_loss_at_whole_decisions_is_the_jaccard_loss(codes: tuple[int, ...], said: tuple[int, ...]) -> None:
    """A logit of 1 on the wrong side is a mistake of 2, on the right side of 0."""

    def jaccard_loss(code: int) -> float:
        true, found = ({n for n, value in enumerate(values) if value == code} for values in (codes, said))
        return 1 - len(true & found) / max(len(true | found), 1) if true | found else 0.0

    loss = lovasz_loss(torch.tensor([said]) * 2.0 - 1, torch.tensor([codes]).float())
    torch.testing.assert_close(loss, torch.tensor([jaccard_loss(1) + jaccard_loss(0)]))


def test_the_slope_of_lovasz_loss_leaves_out_what_is_not_coded_or_right() -> None:
    logits = torch.tensor([[-2.0, 0.0, 3.0]], requires_grad=True)
    torch.autograd.backward(lovasz_loss(logits, torch.tensor([[1.0, NONE, 1.0]])).sum())
    # Of the two ones the wrong one is half the Jaccard loss; a set of no zeros is lost by the first mistake.
    torch.testing.assert_close(logits.grad, torch.tensor([[-(1 / 2 + 1) / 2, 0.0, 0.0]]))


def test_smoothing_mixes_in_a_uniform_guess(layout: Layout) -> None:
    targets = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.5], [NONE, NONE, NONE, NONE, 0.0]])
    third = 0.3 / 3
    expected = torch.tensor([[0.85, third, 0.7 + third, third, 0.5], [NONE, NONE, NONE, NONE, 0.15]])
    torch.testing.assert_close(smoothed(layout, targets, 0.3), expected, equal_nan=True)


def test_supervised_loss_weighs_kinds(layout: Layout) -> None:
    logits = torch.tensor([[LOG3, 0.0, 0.0, 0.0, LOG3]])
    targets = torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0]])
    binary, categorical = -log(3 / 4) - log(1 / 4), log(3)
    # The zero is wrong by 1 + log 3: half the Jaccard loss of the ones, all of the zeros'.
    lovasz = (1 + LOG3) * (1 / 2 + 1) / 2
    expected = torch.tensor([2 * binary + 0.5 * categorical])
    torch.testing.assert_close(supervised_loss(layout, logits, targets, Terms(2.0, 0.5)), expected)
    torch.testing.assert_close(supervised_loss(layout, logits, targets, Terms(2.0, 0.5, 3.0)), expected + 3 * lovasz)


def test_supervised_loss_hands_on_focus_and_smoothing(layout: Layout) -> None:
    logits = torch.tensor([[LOG3, 0.0, 0.0, 0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0, 1.0, NONE]])
    binary = (0.9 - 3 / 4) ** 2 * (-0.9 * log(3 / 4) - 0.1 * log(1 / 4))
    expected = torch.tensor([binary + (2 / 3) ** 2 * log(3)])
    found = supervised_loss(layout, logits, targets, Terms(1.0, 1.0, focal=2.0, smoothing=0.2))
    torch.testing.assert_close(found, expected)


def test_rdrop_forms(layout: Layout) -> None:
    first = torch.tensor([[LOG3, 0.0, 0.0, LOG3, 0.0]])
    second = torch.tensor([[-LOG3, 0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(rdrop_loss(layout, first, second, "mse"), torch.tensor([(2 * LOG3) ** 2 / 2]))
    binary = (3 / 4 - 1 / 4) * 2 * LOG3 / 2
    p, q = torch.tensor([1 / 5, 1 / 5, 3 / 5]), torch.full((3,), 1 / 3)
    categorical = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
    torch.testing.assert_close(rdrop_loss(layout, first, second, "kl"), (binary + categorical).unsqueeze(0))


def test_constant_loss_is_the_entropy_of_the_labels(layout: Layout) -> None:
    street, park = [0, 1, 0], [0, 0, 1]
    targets = torch.tensor([[1, *street, NONE], [0, *street, NONE], [1, *park, 1], [0, NONE, NONE, NONE, 1]])
    note, mood = log(2), 0.0
    place = -(2 / 3 * log(2 / 3) + 1 / 3 * log(1 / 3)) * 3 / 4
    assert constant_loss(layout, targets, Terms(1.0, 1.0)) == pytest.approx(note + mood + place)
    assert constant_loss(layout, targets, Terms(3.0, 0.5)) == pytest.approx(3 * note + 0.5 * place)


def test_constant_loss_is_the_loss_that_is_trained(layout: Layout) -> None:
    missing = [NONE] * 4
    half = torch.tensor([[1, *missing], [0, *missing]])
    assert constant_loss(layout, half, Terms(1.0, 1.0, focal=1.0)) == pytest.approx(log(2) / 2)
    # A logit of 0 is a mistake of 1, and the only variable is all of its class.
    assert constant_loss(layout, half, Terms(1.0, 1.0, lovasz=3.0)) == pytest.approx(log(2) + 3)
    always = torch.tensor([[1, *missing], [1, *missing]])
    smooth = -0.9 * log(0.9) - 0.1 * log(0.1)
    assert constant_loss(layout, always, Terms(1.0, 1.0, smoothing=0.2)) == pytest.approx(smooth)


def test_probabilities(layout: Layout) -> None:
    result = probabilities(layout, torch.tensor([[LOG3, 0.0, 0.0, 0.0, -LOG3]]))
    torch.testing.assert_close(result, torch.tensor([[3 / 4, 1 / 3, 1 / 3, 1 / 3, 1 / 4]]))
