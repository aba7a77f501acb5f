"""Excerpts: what stays of passages, whatever the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.conflicts.reading.excerpts import GAP, cut_excerpts
from rag.core.passages import Passage
from rag.models.sentence_encoder import EmbeddingsEncoder
from tests.conftest import HashEmbeddings

QUESTION = "Who is the harbour master of Selby?"
LONG = (
    "# Harbour master\n\nSelby is a town. The river rises in the hills. It floods in spring. "
    "The harbour master of Selby is Ann Bell. She was born in Hull. Bread is baked at dawn."
)
OTHER = "The mill was built in 1764. Its wheel still turns. Gulls eat fish and bread."


def passage(text: str, name: str = "d") -> Passage:
    return Passage(f"{name}:0", name, f"{name}.txt", "Selby", text, start=7, location="page 3")


def cut(share: float, *texts: str, question: str = QUESTION) -> list[str]:
    passages = [passage(text, f"d{number}") for number, text in enumerate(texts)]
    encoder = EmbeddingsEncoder(HashEmbeddings(), "hash")
    (excerpts,) = cut_excerpts([question], [passages], [share], encoder)
    for one, excerpt in zip(passages, excerpts, strict=True):
        assert (excerpt.passage_id, excerpt.start, excerpt.location) == (one.passage_id, one.start, one.location)
        assert _stands_in(excerpt.text.split(GAP), one.text)
    return [excerpt.text for excerpt in excerpts]


def _stands_in(pieces: Sequence[str], text: str) -> bool:
    """Whether the pieces stand in a text, one after the other."""
    end = 0
    for piece in pieces:
        start = text.find(piece, end)
        if start < 0:
            return False
        end = start + len(piece)
    return True


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_the_nearest_sentences_fill_a_share_of_the_text(share: float) -> None:
    texts = cut(share, LONG, OTHER)
    assert "The harbour master of Selby is Ann Bell." in texts[0]
    assert all(texts)
    room = share * len(LONG + OTHER) + len(GAP) * sum(text.count(GAP) for text in texts)
    assert sum(map(len, texts)) <= room
    assert sum(map(len, texts)) >= 0.6 * room


def test_what_refers_to_the_sentence_before_brings_it() -> None:
    (text,) = cut(0.4, LONG, question="What floods in spring?")
    assert "The river rises in the hills. It floods in spring." in text


def test_a_heading_stays_out_however_near_it_is() -> None:
    (text,) = cut(0.3, LONG, question="Harbour master?")
    assert "#" not in text


@pytest.mark.parametrize("text", ["", "  ", "Ann Bell is the harbour master.", "# Harbour master"])
def test_what_has_one_sentence_stays_whole(text: str) -> None:
    assert cut(0.1, text) == [text]


def test_questions_share_one_call_of_the_encoder() -> None:
    class Counting(HashEmbeddings):
        calls = 0

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            type(self).calls += 1
            return super().embed_documents(texts)

    encoder = EmbeddingsEncoder(Counting(), "hash")
    first, second = cut_excerpts([QUESTION, "What floods?"], [[passage(LONG)], []], [0.5, 0.5], encoder)
    assert (len(first), second, Counting.calls) == (1, (), 1)
