"""Packed and separate rows, written out for one small case."""

import torch

from abstractor.models.ar.packing import additive, pack, packed_mask, separate

PREFIXES = [[11, 12, 13], [21]]
SUFFIXES = [[31, 32], [41]]


def test_packed_rows_are_prefix_then_padding_then_suffixes() -> None:
    batch = pack(PREFIXES, SUFFIXES, pad=9, multiple=4)

    assert batch.input_ids.tolist() == [[11, 12, 13, 9, 9, 31, 32, 41], [21, 9, 9, 9, 9, 31, 32, 41]]
    assert batch.segments.tolist() == [[0, 0, 0, -1, -1, 1, 1, 2], [0, -1, -1, -1, -1, 1, 1, 2]]
    assert batch.answers.tolist() == [[6, 7], [6, 7]]
    assert (batch.prefix_lengths, batch.suffix_lengths) == ((3, 1), (2, 1))
    assert (batch.packed, batch.cases, batch.span) == (True, 2, 5)


def test_positions_restart_where_the_rows_own_prefix_ends() -> None:
    assert pack(PREFIXES, SUFFIXES).position_ids.tolist() == [[0, 1, 2, 3, 4, 3], [0, 0, 0, 1, 2, 1]]


def test_separate_rows_are_one_a_question_padded_on_the_right() -> None:
    batch = separate(PREFIXES, SUFFIXES, pad=9)

    assert batch.input_ids.tolist() == [
        [11, 12, 13, 31, 32],
        [11, 12, 13, 41, 9],
        [21, 31, 32, 9, 9],
        [21, 41, 9, 9, 9],
    ]
    assert batch.segments.ge(0).sum(dim=1).tolist() == [5, 4, 3, 2]
    assert batch.answers.tolist() == [[4], [3], [2], [1]]
    assert (batch.packed, batch.cases, batch.span) == (False, 2, 5)


def test_a_suffix_sees_the_prefix_and_itself_and_padding_sees_only_itself() -> None:
    batch = pack(PREFIXES, SUFFIXES)
    first, second = packed_mask(batch.segments, batch.position_ids)[:, 0].int().tolist()

    assert first == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 1],
    ]
    assert second[1:] == [
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 0],
        [1, 0, 0, 0, 0, 1],
    ]


def test_a_window_counts_positions_within_the_prompt() -> None:
    batch = pack(PREFIXES, SUFFIXES)
    mask = packed_mask(batch.segments, batch.position_ids, window=2)[0, 0].int().tolist()

    assert mask[4] == [0, 0, 0, 1, 1, 0]
    assert mask[5] == [0, 0, 1, 0, 0, 1], "the second question stands right behind the prefix, not behind the first"


def test_additive_masks_are_zero_or_the_lowest_number() -> None:
    lowest = torch.finfo(torch.float16).min

    assert additive(torch.tensor([True, False]), torch.float16).tolist() == [0.0, lowest]


def test_a_batch_moves_as_a_whole() -> None:
    moved = pack(PREFIXES, SUFFIXES).to("meta")

    tensors = (moved.input_ids, moved.position_ids, moved.segments, moved.answers)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
