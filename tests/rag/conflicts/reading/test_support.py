"""The second look: what a question asks beside what the sentence says that would answer."""

from __future__ import annotations

import numpy as np
import pytest

from rag.conflicts.reading.evidence import Page
from rag.conflicts.reading.reader import build_page
from rag.conflicts.reading.spans import split_sentences
from rag.conflicts.reading.support import Look, find_claim, look_again, support_signs
from rag.core.encoding import WordVectors
from rag.models.sentence_encoder import EmbeddingsEncoder
from tests.conftest import HashEmbeddings

QUESTION = "Who was the mayor of Selby in 1911?"
TEXT = "The mayor of Selby was Ann Bell in 1911. The harbour was built by Tom Reed."
NAMES = ("lost_negation", "lost_number", "lost_name")


def page(text: str, question: str = QUESTION) -> Page:
    sentences = split_sentences(text)
    return build_page(question, sentences, [0.9 - 0.1 * place for place in range(len(sentences))], {"mayor": 1.0})


def words(text: str) -> WordVectors:
    """Every word has a direction of its own."""
    parts = text.lower().replace(".", "").replace("?", "").split()
    directions = np.eye(64, dtype=np.float32)
    return WordVectors(tuple(parts), np.stack([directions[sum(map(ord, part)) % 64] for part in parts]))


def signs(question: str, text: str = TEXT) -> dict[str, float]:
    claim = find_claim(question, "", page(text, question))
    return support_signs(question, 0.5, claim, words(question), [words(one) for one in claim.compared])


@pytest.mark.parametrize(
    ("question", "lost"),
    [
        (QUESTION, ()),
        ("Who was not the mayor of Selby in 1911?", ("lost_negation",)),
        ("Who was the mayor of Selby in 1923?", ("lost_number",)),
        ("Who was the mayor of Whitby in 1911?", ("lost_name",)),
    ],
)
def test_what_the_sentence_lacks(question: str, lost: tuple[str, ...]) -> None:
    told = signs(question)
    assert tuple(name for name in NAMES if told[name]) == lost


def test_a_negation_that_the_sentence_shares_is_not_lost() -> None:
    assert not signs("Who was not mayor of Selby?", "Ann Bell was not mayor of Selby.")["lost_negation"]


def test_words_of_several_sentences_are_scattered() -> None:
    together, apart = signs("Who was mayor of Selby?"), signs("Who built the harbour of the mayor of Selby?")
    assert together["scattered"] == pytest.approx(0.0, abs=1e-6)
    assert apart["scattered"] > 0.1


def test_what_would_answer_is_compared_first() -> None:
    claim = find_claim("Who built the harbour?", "Selby", page(TEXT, "Who built the harbour?"))
    assert claim.sentence == claim.compared[0] == "The harbour was built by Tom Reed."
    assert len(claim.compared) == 2


def test_a_name_that_stands_in_the_title_is_not_lost() -> None:
    question, text = "Who was the mayor of Selby?", "The mayor was Ann Bell."
    claims = [find_claim(question, title, page(text, question)) for title in ("Selby", "")]
    told = [support_signs(question, 0.5, claim, words(question), [words(text)])["lost_name"] for claim in claims]
    assert told == [0.0, 1.0]


def test_the_first_look_stands_where_the_encoder_tells_no_words_or_nothing_answers() -> None:
    looks = [Look(QUESTION, "", page(TEXT), 0.7), Look(QUESTION, "", page("Nothing."), 0.0)]
    assert look_again(looks, EmbeddingsEncoder(HashEmbeddings(), "hash")) == [0.7, 0.0]


class Telling(EmbeddingsEncoder):
    """Tells words, and counts its calls."""

    calls = 0

    def word_vectors(self, texts):  # type: ignore[no-untyped-def]
        self.calls += 1
        return [words(text) for text in texts]


def test_a_question_that_the_passage_denies_has_less_support() -> None:
    encoder = Telling(HashEmbeddings(), "hash")
    asked = (QUESTION, "Who was not the mayor of Selby in 1911?")
    plain, denied = look_again([Look(question, "", page(TEXT, question), 0.8) for question in asked], encoder)
    assert denied < plain
    assert encoder.calls == 1


def test_a_passage_that_was_dismissed_is_not_looked_at_again() -> None:
    encoder = Telling(HashEmbeddings(), "hash")
    assert look_again([Look(QUESTION, "", page(TEXT), 0.1)], encoder) == [0.1]
    assert encoder.calls == 0
