"""Label attention: against sums written out, with padding, and from the start that the questions give it."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from abstractor.data.cases.codebook import Codebook
from abstractor.models.sc.classifier import pool
from abstractor.models.sc.forms import FORMS
from abstractor.models.sc.label_head import LabelHead
from abstractor.models.sc.rows import micro_batch
from abstractor.training.sc.settings import ScModel

VARIABLES = [0, 1, 1, 2]
MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])


@pytest.fixture
def states() -> torch.Tensor:
    return torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def head() -> LabelHead:
    torch.manual_seed(1)
    made = LabelHead(8, VARIABLES)
    with torch.no_grad():
        made.queries.normal_(std=3)
    return made


def test_each_output_reads_what_its_variables_query_weights(head: LabelHead, states: torch.Tensor) -> None:
    logits = head(head.pool(states, MASK))
    assert logits.shape == (2, 4)
    for row, length in ((0, 3), (1, 5)):
        for output, variable in enumerate(VARIABLES):
            tokens = states[row, :length]
            weights = torch.stack([head.queries[variable] @ token / 8**0.5 for token in tokens]).exp()
            pooled = sum(weight * token for weight, token in zip(weights / weights.sum(), tokens, strict=True))
            torch.testing.assert_close(logits[row, output], head.weight[output] @ pooled + head.bias[output])


def test_padding_is_never_attended_to(head: LabelHead, states: torch.Tensor) -> None:
    other = states.clone()
    other[0, 3:] = 1e4 * head.queries[:2]
    assert torch.equal(head.pool(other, MASK), head.pool(states, MASK))


def test_queries_of_0_make_the_mean(states: torch.Tensor) -> None:
    pooled = LabelHead(8, VARIABLES).pool(states, MASK)
    torch.testing.assert_close(pooled, pool(states, MASK, "mean").unsqueeze(1).expand(2, 3, 8))


@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_questions_make_queries_whose_first_weights_differ_little(size: float, states: torch.Tensor) -> None:
    """Whatever the size of a backbone's states, and though all questions have much in common."""
    head, questions = LabelHead(8, [0, 1]), size * (states + 5)
    head.ask(questions, MASK)
    tokens = questions[MASK.bool()]
    torch.testing.assert_close((tokens @ head.queries.T / 8**0.5).std(dim=0), torch.tensor([0.5, 0.5]))
    means = pool(questions, MASK, "mean")
    assert (means[0] - means[1]) @ head.queries[0] > 0 > (means[0] - means[1]) @ head.queries[1]


def test_one_question_alone_leaves_the_mean(states: torch.Tensor) -> None:
    head = LabelHead(8, [0, 0])
    head.ask(states[:1], MASK[:1])
    assert not head.queries.any()


@pytest.mark.parametrize("form", ["concatenated", "apart"])
@pytest.mark.parametrize("backbone", ["tiny", "decoder"])
def test_a_new_classifier_starts_near_mean_pooling(
    project: Any, settings: dict[str, Any], codebook: Codebook, form: str, backbone: str
) -> None:
    questions = ["note", "house or park", "sad"]  # words that the tokenizer has
    asked = [replace(one, question=text) for one, text in zip(codebook.variables, questions, strict=True)]
    book = replace(codebook, variables=tuple(asked))

    def built(pooling: str) -> Any:
        torch.manual_seed(2)
        return FORMS[form].build(ScModel(**settings | {"backbone": backbone, "pooling": pooling}), book).eval()

    mean, labels = built("mean"), built("labels")
    assert torch.equal(mean.head.weight, labels.head.weight)
    assert labels.head.queries.shape == (3, 16) and labels.head.queries.all()
    batch = micro_batch([[[2, 8, 9, 9, 3], [2, 11, 3]], [[2, 10, 12, 3]]], [[], []], 0)
    del batch["targets"]
    with torch.inference_mode():
        apart, logits = labels(**batch) - mean(**batch), mean(**batch)
    assert 0 < apart.square().mean().sqrt() < 0.4 * logits.std()
