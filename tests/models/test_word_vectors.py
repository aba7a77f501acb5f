"""The vectors of words: one for each word of the text, whatever the tokens."""

from __future__ import annotations

import numpy as np
import pytest

from rag.core.encoding import read_words
from rag.core.settings.config import Config
from rag.models.sentence_encoder import EmbeddingsEncoder, RecentEncoder, SentenceEncoder
from tests.conftest import HashEmbeddings

TEXTS = ("The oil price rose.", "Rates of reimbursement: 1,250 a day!", "?!", "A rose is red.")


@pytest.fixture(scope="module")
def encoder() -> RecentEncoder:
    return RecentEncoder(SentenceEncoder(Config()))


def test_each_word_has_a_vector_of_length_1(encoder: RecentEncoder) -> None:
    read = encoder.word_vectors(TEXTS)
    assert read is not None
    assert [one.words for one in read] == [
        ("The", "oil", "price", "rose"),
        ("Rates", "of", "reimbursement", "1", "250", "a", "day"),
        (),
        ("A", "rose", "is", "red"),
    ]
    for one in read:
        assert one.vectors.shape == (len(one.words), read[0].vectors.shape[1])
        np.testing.assert_allclose(np.linalg.norm(one.vectors, axis=1), 1.0, atol=1e-4)


def test_a_vector_depends_on_the_words_around_it_and_not_on_the_batch(encoder: RecentEncoder) -> None:
    price, flower = (one.vectors for one in encoder.word_vectors(("The oil price rose.", "A rose is red.")))
    assert price[3] @ flower[1] < 0.9
    (alone,) = encoder.word_vectors(("The oil price rose.",))
    np.testing.assert_allclose(alone.vectors, price, atol=1e-4)


def test_other_encoders_tell_none() -> None:
    assert read_words(RecentEncoder(EmbeddingsEncoder(HashEmbeddings(), "hash")), TEXTS) is None
