"""Reading passages alone: what is always true of a reading, whatever the encoder and the model."""

from __future__ import annotations

import pytest

from rag.conflicts.reading.evidence import score_spans
from rag.conflicts.reading.reader import Reader, build_page, reading_prompt
from rag.conflicts.reading.spans import split_sentences
from rag.core.passages import Passage
from rag.core.verdict import Reading
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.sentence_encoder import EmbeddingsEncoder
from tests.conftest import HashEmbeddings
from tests.generation.conftest import tiny_model, tiny_tokenizer

QUESTION = "Who is the mayor of Selby?"
TEXT = "Selby is a town. The mayor of Selby is Ann Bell. The harbour was built in 1911."


def passage(text: str, name: str = "d", title: str = "Selby") -> Passage:
    return Passage(f"{name}:0", name, f"{name}.txt", title, text, location="page 3", date="2023-05-01")


@pytest.fixture
def encoder() -> EmbeddingsEncoder:
    return EmbeddingsEncoder(HashEmbeddings(), "hash")


def read(
    encoder: EmbeddingsEncoder, *passages: Passage, question: str = QUESTION, at: float = 0.0
) -> tuple[Reading, ...]:
    reader = Reader(encoder, silent_below=at)
    return reader.read(reader.prepare([question], [passages])[0])


def test_an_answer_stands_in_its_sentence_and_its_passage(encoder: EmbeddingsEncoder) -> None:
    (reading,) = read(encoder, passage(TEXT))
    assert reading.answer == "Ann Bell"
    assert reading.quote == "The mayor of Selby is Ann Bell."
    assert 0 <= reading.confidence <= 1


def test_a_reading_names_its_passage(encoder: EmbeddingsEncoder) -> None:
    (reading,) = read(encoder, passage(TEXT))
    assert (reading.passage_id, reading.doc_id, reading.source, reading.title) == ("d:0", "d", "d.txt", "Selby")
    assert (reading.location, reading.date) == ("page 3", "2023-05-01")


@pytest.mark.parametrize("text", ["", "   ", "The mayor of Selby.", "?!"])
def test_a_passage_without_an_answer_says_nothing(encoder: EmbeddingsEncoder, text: str) -> None:
    (reading,) = read(encoder, passage(text))
    assert (reading.answer, reading.quote, reading.confidence) == ("", "", 0.0)


def test_below_the_threshold_nothing_is_said(encoder: EmbeddingsEncoder) -> None:
    (reading,) = read(encoder, passage(TEXT), at=1.1)
    assert (reading.answer, reading.quote) == ("", "")
    assert reading.confidence > 0


def test_each_passage_is_read_alone(encoder: EmbeddingsEncoder) -> None:
    other = passage("The mayor of Selby is Tom Reed.", "e")
    alone = read(encoder, passage(TEXT)) + read(encoder, other)
    assert read(encoder, passage(TEXT), other) == alone


def test_questions_share_one_call_of_the_encoder() -> None:
    calls: list[int] = []

    class Counting(EmbeddingsEncoder):
        def encode(self, texts):  # type: ignore[no-untyped-def]
            calls.append(len(texts))
            return super().encode(texts)

    reader = Reader(Counting(HashEmbeddings(), "hash"))
    sheets = reader.prepare([QUESTION, "Who?"], [[passage(TEXT), passage(TEXT, "e")], []])
    assert len(calls) == 1
    assert [len(sheet.pages) for sheet in sheets] == [2, 0]
    assert reader.read(sheets[1]) == ()


def test_no_questions(encoder: EmbeddingsEncoder) -> None:
    assert Reader(encoder).prepare([], []) == []


def test_the_model_is_asked_once_for_each_passage_with_candidates(encoder: EmbeddingsEncoder) -> None:
    tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")
    reader = Reader(encoder, tiny, silent_below=0.0)
    (sheet,) = reader.prepare([QUESTION], [[passage(TEXT), passage("")]])
    assert sheet.counts == (1, 0)
    first, second = reader.read(sheet, tiny.generate(sheet.requests))
    assert first.answer in TEXT
    assert second.answer == ""


def test_what_the_model_replies_counts_for_the_spans_that_it_names() -> None:
    page = build_page(
        QUESTION, split_sentences("Ann Bell and Tom Reed met the mayor of Selby."), [0.5], {"mayor": 1.0, "selb": 1.0}
    )
    names = [span.text for span, _ in page.candidates]
    plain, replied = (score_spans(QUESTION, page, reply) for reply in ("Nobody", "The mayor is Tom Reed"))
    gains = dict(zip(names, (b - a for a, b in zip(plain, replied, strict=True)), strict=True))
    assert gains["Tom Reed"] == max(gains.values()) > 0
    assert gains["Ann Bell"] == 0


def test_the_prompt_holds_the_question_and_the_sentences_in_their_order() -> None:
    text = "The mayor of Selby is Ann Bell. Tom Reed was mayor of Selby before."
    page = build_page(QUESTION, split_sentences(text), [0.8, 0.9], {"mayor": 1.0, "selb": 1.0})
    (message,) = reading_prompt(QUESTION, page)
    assert f"\n\n{text}\n\nQuestion: {QUESTION}" in message.content
