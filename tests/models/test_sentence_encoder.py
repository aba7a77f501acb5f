"""How texts are put into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.models.sentence_encoder import batches_by_length


@given(st.lists(st.integers(0, 5000), max_size=200))
def test_every_text_is_in_one_batch_and_batches_are_bounded(lengths: list[int]) -> None:
    batches = batches_by_length(["x" * length for length in lengths])
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= 32
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 2000


def test_texts_of_similar_length_share_a_batch() -> None:
    batches = batches_by_length(["x" * length for length in (10, 1000, 12, 900)])
    assert batches == [[1, 3], [2, 0]]


def test_a_long_text_does_not_pad_many_short_ones() -> None:
    assert batches_by_length(["x" * length for length in (150, 40, 40, 40, 40)]) == [[0, 1], [2, 3, 4]]
    assert batches_by_length(["x" * length for length in (60, 50, 40, 40)]) == [[0, 1, 2, 3]]
