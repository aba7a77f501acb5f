"""Reading each passage alone: what it answers, in which sentence, and how sure that is.

:meth:`Reader.prepare` finds the sentences of each passage that are nearest to the question, and the spans in them that
could answer it; one call of the encoder for all questions. With a generator that tells probabilities it also makes the
requests that say how likely the model finds each span. They go into one batch with the joint answer, and read a few
sentences of each passage. :meth:`Reader.read` makes the readings from what came back.

An answer is always a span of its passage: what does not stand there is no position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from rag.conflicts.evidence import (
    Opinion,
    Page,
    Weights,
    load_weights,
    logistic,
    passage_numbers,
    score,
    softmax,
    span_numbers,
)
from rag.conflicts.memory import first_line
from rag.conflicts.spans import Sentence, Span, coverage, find_spans, split_sentences
from rag.core.encoding import Encoder
from rag.core.passages import Passage
from rag.core.query import Message, Sampling
from rag.core.verdict import Reading
from rag.generation.base import Generation, Generator, Scorer
from rag.generation.request import Request

# Chosen on development rows: below it a passage says nothing of the question.
SILENT_BELOW = 0.5
REFUSAL = "not stated"
_NUM_SENTENCES = 3
_COVERAGE_SHARE = 0.3
_MAX_SPANS = 24
_MAX_SCORED = 12
_MAX_TOKENS = 16


@dataclass(frozen=True)
class Sheet:
    """One question and its passages, prepared for reading.

    Attributes:
        question: as it stands without the conversation.
        passages: in the order of the ranking.
        pages: the sentences and the candidates of each passage.
        requests: for the generator, those of the first passage first; empty where it is not asked.
        counts: how many of the requests belong to each passage.
    """

    question: str
    passages: tuple[Passage, ...]
    pages: tuple[Page, ...]
    requests: tuple[Request, ...] = ()
    counts: tuple[int, ...] = ()


class Reader:
    """Reads passages by the encoder and, where one is given that tells probabilities, by the generator too.

    Args:
        encoder: for questions and sentences.
        generator: also asked if it is a :class:`Scorer`; ``None`` reads without it.
        silent_below: a passage that answers with a lower probability says nothing.
    """

    def __init__(
        self, encoder: Encoder, generator: Generator | None = None, *, silent_below: float = SILENT_BELOW
    ) -> None:
        self._encoder = encoder
        self._generator = generator
        self._is_scored = isinstance(generator, Scorer)
        self._silent_below = silent_below

    def prepare(
        self, questions: Sequence[str], passages: Sequence[Sequence[Passage]], *, cache_salt: str = ""
    ) -> list[Sheet]:
        """A sheet for each question; one call of the encoder."""
        pages = iter(self._pages(questions, passages))
        sheets = []
        for question, row in zip(questions, passages, strict=True):
            own = tuple(islice(pages, len(row)))
            requests = [self._requests(question, page, cache_salt) for page in own]
            counts = tuple(map(len, requests))
            sheets.append(Sheet(question, tuple(row), own, tuple(r for group in requests for r in group), counts))
        return sheets

    def read(self, sheet: Sheet, generations: Sequence[Generation] = ()) -> tuple[Reading, ...]:
        """What each passage answers; an empty answer where it says nothing.

        Args:
            generations: of the sheet's requests, in their order.
        """
        remaining = iter(generations)
        opinions = [tuple(islice(remaining, count)) for count in sheet.counts]
        return tuple(
            self._read(sheet.question, passage, page, replies)
            for passage, page, replies in zip(sheet.passages, sheet.pages, opinions, strict=True)
        )

    @property
    def _weights(self) -> Weights:
        return load_weights("with_model" if self._is_scored else "alone")

    def _pages(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[Page]:
        """All pages of all questions, in order."""
        read = [(question, passage) for question, row in zip(questions, passages, strict=True) for passage in row]
        sentences = [split_sentences(passage.text) for _, passage in read]
        # As the encoder's judge words them, so that an encoder that remembers its texts reads them once.
        texts = [f"{p.title}: {s.text}" for (_, p), page in zip(read, sentences, strict=True) for s in page]
        asked = list(dict.fromkeys(questions))
        vectors = self._encoder.encode([*asked, *texts]) if read else np.zeros((0, 0), dtype=np.float32)
        by_question = dict(zip(asked, vectors, strict=False))
        ends = np.cumsum([len(asked), *map(len, sentences)])
        return [
            build_page(question, page, [float(x) for x in vectors[start:end] @ by_question[question]])
            for (question, _), page, start, end in zip(read, sentences, ends[:-1], ends[1:], strict=True)
        ]

    def _requests(self, question: str, page: Page, cache_salt: str) -> tuple[Request, ...]:
        """The model's own answer to the nearest sentences, then each candidate and the refusal as given replies."""
        generator = self._generator
        if generator is None or not isinstance(generator, Scorer) or not page.candidates:
            return ()
        ids = generator.encode(reading_prompt(question, page))
        sampling = Sampling(max_tokens=_MAX_TOKENS, stop=generator.default_stop)
        replies = [span.text for span, _ in page.candidates[:_MAX_SCORED]] + [REFUSAL]
        return (
            Request.single(ids, sampling, cache_salt=cache_salt),
            *(Request.reply(ids, generator.encode_reply(text), cache_salt=cache_salt) for text in replies),
        )

    def _read(self, question: str, passage: Passage, page: Page, replies: Sequence[Generation]) -> Reading:
        weights, opinion = self._weights, read_opinion(replies)
        numbers = [span_numbers(question, page, place, opinion) for place in range(len(page.candidates))]
        scores = [score(row, weights.spans) for row in numbers]
        shares = softmax(scores)
        blank = Reading(passage.passage_id, passage.doc_id, passage.source, passage.title, "", date=passage.date)
        blank = replace(blank, location=passage.location, confidence=0.0)
        if not shares:
            return blank
        best = max(range(len(shares)), key=shares.__getitem__)
        span, index = page.candidates[best]
        text = f"{passage.title}\n{passage.text}"
        signs = passage_numbers(question, page, text, opinion) | {"best": scores[best], "share": shares[best]}
        confidence = logistic(score(signs, weights.answers))
        if confidence < self._silent_below:
            return replace(blank, confidence=confidence)
        return replace(blank, answer=span.text, quote=page.sentences[index].text, confidence=confidence)


def read_opinion(replies: Sequence[Generation]) -> Opinion | None:
    """What the model said to the requests of one page; ``None`` if it was not asked."""
    if not replies:
        return None
    free, *scored = replies
    logprobs = [tuple(step.context_logprob or 0.0 for step in reply.steps) for reply in scored]
    return Opinion(first_line(free.text), tuple(logprobs[:-1]), logprobs[-1])


def build_page(question: str, sentences: Sequence[Sentence], cosines: Sequence[float]) -> Page:
    """The sentences of a passage by their nearness to the question, and the spans of the nearest ones."""
    words = [coverage(question, sentence.text) for sentence in sentences]
    nearness = [cosine + _COVERAGE_SHARE * share for cosine, share in zip(cosines, words, strict=True)]
    order = sorted(range(len(sentences)), key=lambda index: (-nearness[index], index))
    candidates: dict[str, tuple[Span, int]] = {}
    for index in order[:_NUM_SENTENCES]:
        for span in find_spans(question, sentences[index]):
            candidates.setdefault(span.text.casefold(), (span, index))
    return Page(tuple(sentences), tuple(cosines), tuple(order), tuple(candidates.values())[:_MAX_SPANS])


def reading_prompt(question: str, page: Page) -> tuple[Message, ...]:
    """The question over the nearest sentences of one passage, in the order of the passage."""
    text = " ".join(page.sentences[index].text for index in sorted(page.order[:_NUM_SENTENCES]))
    return (Message("user", f"Answer the question in a few words.\n\n{text}\n\nQuestion: {question}\nAnswer:"),)
