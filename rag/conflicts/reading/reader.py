"""Reading each passage alone: what it answers, in which sentence, and how sure that is.

:meth:`Reader.prepare` finds the spans of each passage that could answer the question; one call of the encoder for all
questions. With a generator it also makes one short request for each passage: the question over the sentences of the
likeliest spans. The requests go into one batch with the joint answer. :meth:`Reader.read` makes the readings; what the
model replied counts for the spans that it shares words with.

An answer is always a span of its passage: what does not stand there is no position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from rag.conflicts.reading.evidence import (
    MIN_CHANCE,
    Page,
    load_weights,
    logistic,
    passage_numbers,
    score,
    score_spans,
    softmax,
)
from rag.conflicts.reading.relevance import weigh_words, weighted_coverage
from rag.conflicts.reading.spans import Sentence, Span, answer_kind, find_spans, split_sentences
from rag.conflicts.reading.support import Look, look_again
from rag.conflicts.sentences import is_heading
from rag.core.encoding import Encoder
from rag.core.passages import Passage
from rag.core.query import Message, Sampling
from rag.core.replies import first_line
from rag.core.sentences import sentence_spans
from rag.core.verdict import Reading
from rag.generation.base import Generation, Generator
from rag.generation.request import ActiveSkill, Request

_NUM_PROMPTED = 4
_COVERAGE_SHARE = 0.3
_MAX_SPANS = 120
_MAX_TOKENS = 12


@dataclass(frozen=True)
class Sheet:
    """One question and its passages, prepared for reading.

    Attributes:
        question: as it stands without the conversation.
        passages: in the order of the ranking.
        pages: the sentences and the candidates of each passage.
        chances: the probability of each page that its passage answers at all, by a first look of the encoder.
        supported: the same after a second look at what it would answer (:mod:`rag.conflicts.reading.support`).
        requests: for the generator, those of the first passage first; empty where it is not asked.
        counts: how many of the requests belong to each passage.
        skill: what the requests ask, if it is one. Where it reads the passages alone, there are no ``pages``.
        weighed: where one passage alone is asked about, the candidates of its page that the skill weighs, by place;
            their requests follow (:mod:`rag.conflicts.reading.weigh`).
    """

    question: str
    passages: tuple[Passage, ...]
    pages: tuple[Page, ...]
    requests: tuple[Request, ...] = ()
    counts: tuple[int, ...] = ()
    chances: tuple[float, ...] = ()
    supported: tuple[float, ...] = ()
    skill: ActiveSkill | None = None
    weighed: tuple[int, ...] = ()

    @property
    def may_answer(self) -> list[bool]:
        """Which passages are worth a reading by a skill; all, where the encoder has read none."""
        return [chance >= MIN_CHANCE for chance in self.chances] if self.pages else [True] * len(self.passages)


class Reader:
    """Reads passages by the encoder and, where one is given, by the generator too.

    Args:
        encoder: for questions and sentences.
        generator: also asked; ``None`` reads without it.
        silent_below: a passage that answers the question with a lower probability says nothing; default: as measured.
    """

    def __init__(
        self, encoder: Encoder, generator: Generator | None = None, *, silent_below: float | None = None
    ) -> None:
        self._encoder = encoder
        self._generator = generator
        self._silent_below = load_weights().silent_below if silent_below is None else silent_below

    def prepare(
        self, questions: Sequence[str], passages: Sequence[Sequence[Passage]], *, cache_salt: str = ""
    ) -> list[Sheet]:
        """A sheet for each question; one call of the encoder for sentences, and one for words."""
        pages = iter(self._pages(questions, passages))
        sheets = []
        for question, row in zip(questions, passages, strict=True):
            own = tuple(islice(pages, len(row)))
            requests = [self._requests(question, page, cache_salt) for page in own]
            counts = tuple(map(len, requests))
            chances = tuple(answer_probability(question, *pair) for pair in zip(row, own, strict=True))
            asked = tuple(request for group in requests for request in group)
            sheets.append(Sheet(question, tuple(row), own, asked, counts, chances))
        return self._look_again(sheets)

    def read(self, sheet: Sheet, generations: Sequence[Generation] = (), draft: str = "") -> tuple[Reading, ...]:
        """What each passage answers; an empty answer where it says nothing.

        Args:
            generations: of the sheet's requests, in their order.
            draft: what the model wrote with all passages at hand; a passage that holds its words is read by it where
                the model was not asked about the passage alone.
        """
        remaining = iter(generations)
        opinions = [tuple(islice(remaining, count)) for count in sheet.counts]
        return tuple(
            self._read(sheet.question, *item, draft)
            for item in zip(sheet.passages, sheet.pages, sheet.supported, opinions, strict=True)
        )

    def _look_again(self, sheets: Sequence[Sheet]) -> list[Sheet]:
        """The sheets with what a second look says."""
        looks = [
            Look(sheet.question, passage.title, page, chance)
            for sheet in sheets
            for passage, page, chance in zip(sheet.passages, sheet.pages, sheet.chances, strict=True)
        ]
        supported = iter(look_again(looks, self._encoder))
        return [replace(sheet, supported=tuple(islice(supported, len(sheet.pages)))) for sheet in sheets]

    def _pages(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[Page]:
        """All pages of all questions, in order."""
        read = [(question, passage) for question, row in zip(questions, passages, strict=True) for passage in row]
        weights = [weigh_words(question, row) for question, row in zip(questions, passages, strict=True) for _ in row]
        pages = encode_sentences(questions, passages, self._encoder)
        return [
            build_page(question, sentences, cosines, told, passage.title)
            for (question, passage), (sentences, cosines), told in zip(read, pages, weights, strict=True)
        ]

    def _requests(self, question: str, page: Page, cache_salt: str) -> tuple[Request, ...]:
        """The request for one page; none without candidates."""
        generator = self._generator
        if generator is None or not page.candidates:
            return ()
        sampling = Sampling(max_tokens=_MAX_TOKENS, stop=generator.default_stop)
        ids = generator.encode(reading_prompt(question, page))
        return (Request.single(ids, sampling, cache_salt=cache_salt),)

    def _read(
        self,
        question: str,
        passage: Passage,
        page: Page,
        answers: float,
        generations: Sequence[Generation],
        draft: str,
    ) -> Reading:
        silent = Reading(passage.passage_id, passage.doc_id, passage.source, passage.title, "")
        silent = replace(silent, confidence=0.0, date=passage.date, location=passage.location)
        if not page.candidates:
            return silent
        reply = first_line(generations[0].text) if generations else _first_sentence(draft)
        shares = softmax(score_spans(question, page, reply))
        best = max(range(len(shares)), key=shares.__getitem__)
        if answers < self._silent_below:
            return replace(silent, confidence=answers * shares[best])
        span, index = page.candidates[best]
        quote = page.sentences[index].text
        return replace(silent, answer=span.text, quote=quote, confidence=answers * shares[best])


def answer_probability(question: str, passage: Passage, page: Page) -> float:
    """The probability that a passage answers the question at all; 0 without candidates. No model is asked."""
    if not page.candidates:
        return 0.0
    text = f"{passage.title}\n{passage.text}"
    signs = passage_numbers(question, page, text, score_spans(question, page))
    return logistic(score(signs, load_weights().answers))


def _first_sentence(draft: str) -> str | None:
    """What comes first answers; small models go on."""
    start, end = next(sentence_spans(draft), (0, 0))
    return draft[start:end] or None


def encode_sentences(
    questions: Sequence[str], passages: Sequence[Sequence[Passage]], encoder: Encoder
) -> list[tuple[list[Sentence], list[float]]]:
    """The sentences of all passages of all questions, in order, and their cosines with the question.

    One call of the encoder. A sentence stands below its passage's title.
    """
    read = [(question, passage) for question, row in zip(questions, passages, strict=True) for passage in row]
    sentences = [split_sentences(passage.text) for _, passage in read]
    # As the encoder's judge words them, so that an encoder that remembers its texts reads them once.
    texts = [f"{p.title}: {s.text}" for (_, p), page in zip(read, sentences, strict=True) for s in page]
    asked = list(dict.fromkeys(questions))
    vectors = encoder.encode([*asked, *texts]) if read else np.zeros((0, 0), dtype=np.float32)
    by_question = dict(zip(asked, vectors, strict=False))
    ends = np.cumsum([len(asked), *map(len, sentences)])
    return [
        (page, [float(x) for x in vectors[start:end] @ by_question[question]])
        for (question, _), page, start, end in zip(read, sentences, ends[:-1], ends[1:], strict=True)
    ]


def find_nearness(sentences: Sequence[Sentence], cosines: Sequence[float], weights: Mapping[str, float]) -> list[float]:
    """How near each sentence is to the question: its cosine, and a share for the question's words that it holds."""
    words = [weighted_coverage(sentence.text, weights) for sentence in sentences]
    return [cosine + _COVERAGE_SHARE * share for cosine, share in zip(cosines, words, strict=True)]


def build_page(
    question: str,
    sentences: Sequence[Sentence],
    cosines: Sequence[float],
    weights: Mapping[str, float],
    title: str = "",
) -> Page:
    """The sentences of a passage by their nearness to the question, and the spans in them, the nearest first.

    Args:
        question: what is asked.
        sentences: in their order.
        cosines: of question and sentence, aligned.
        weights: of the question's words (:func:`rag.conflicts.reading.relevance.weigh_words`).
        title: of the document. Headings hold no candidates.
    """
    nearness = find_nearness(sentences, cosines, weights)
    order = sorted(range(len(sentences)), key=lambda index: (-nearness[index], index))
    candidates: dict[str, tuple[Span, int]] = {}
    for index in (index for index in order if not is_heading(sentences[index].text, title)):
        for span in find_spans(question, sentences[index]):
            candidates.setdefault(span.text.casefold(), (span, index))
    chosen = _without_phrases(question, tuple(candidates.values()))
    return Page(tuple(sentences), tuple(cosines), tuple(order), chosen[:_MAX_SPANS])


def _without_phrases(question: str, candidates: tuple[tuple[Span, int], ...]) -> tuple[tuple[Span, int], ...]:
    """A person has a name: phrases count only in a passage without any."""
    if answer_kind(question) != "person":
        return candidates
    return tuple(item for item in candidates if item[0].kind == "name") or candidates


def reading_prompt(question: str, page: Page) -> tuple[Message, ...]:
    """The question over the sentences of the likeliest candidates, in the order of the passage."""
    scores = score_spans(question, page)
    likeliest = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    chosen = list(dict.fromkeys(page.candidates[place][1] for place in likeliest))[:_NUM_PROMPTED]
    text = " ".join(page.sentences[index].text for index in sorted(chosen))
    return (Message("user", f"Answer the question in a few words.\n\n{text}\n\nQuestion: {question}\nAnswer:"),)
