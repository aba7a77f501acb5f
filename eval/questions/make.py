"""Questions of a library: drafted passage by passage, checked by a judge, spread over the documents."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from eval.metrics.answers import normalize_signs
from eval.questions.types import Limits, Made, MadeQuestion
from eval.questions.writers import Draft, Writer
from rag.core.passages import Passage
from rag.core.sentences import sentence_spans
from rag.library.base import Library
from retrievers.judging.base import Judge

_BATCH = 32


def make_questions(
    library: Library,
    write: Writer,
    judge: Judge | None,
    limits: Limits | None = None,
    writer_name: str = "rules",
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Made:
    """Questions of a library's documents, one of each document in turn.

    Args:
        library: whose documents are asked about.
        write: drafts the questions.
        judge: says whether the passage answers its question; ``None`` takes every draft.
        limits: how many, and how good; by default as in :class:`eval.questions.types.Limits`.
        writer_name: for the rows.
        report: told how many questions of how many are made.
    """
    limits = limits or Limits()
    documents = library.documents()
    random.Random(limits.seed).shuffle(documents)
    queues = [_Queue(info.source, _read(library, info.doc_id)) for info in documents]
    collected = _Collected(limits, writer_name)
    while queues and not collected.is_full:
        for batch in _batches(queues):
            _fill(batch, write)
            ready = [(queue, *queue.drafts.popleft()) for queue in batch if queue.drafts]
            collected.take(ready, judge)
            report(min(len(collected.by_question), limits.questions), limits.questions)
            if collected.is_full:
                break
        queues = [queue for queue in queues if queue.has_more and queue.num_made < limits.per_document]
    return collected.finish(len(documents))


@dataclass
class _Queue:
    """The drafts of one document, and the passages that nobody has read yet."""

    source: str
    passages: Iterator[Passage]
    drafts: deque[tuple[Passage, Draft]] = field(default_factory=deque)
    num_made: int = 0
    has_passages: bool = True

    @property
    def has_more(self) -> bool:
        return bool(self.drafts) or self.has_passages

    def next_passage(self) -> Passage | None:
        passage = next(self.passages, None)
        self.has_passages = passage is not None
        return passage


def _read(library: Library, doc_id: str) -> Iterator[Passage]:
    """A document's passages, read when the first one is asked for: a library may not fit into memory."""
    yield from library.document_passages(doc_id)


def _fill(queues: Sequence[_Queue], write: Writer) -> None:
    """Draft until each queue has something or its document is at its end."""
    while waiting := [queue for queue in queues if not queue.drafts and queue.has_passages]:
        read = [(queue, passage) for queue in waiting if (passage := queue.next_passage()) is not None]
        for (queue, passage), drafts in zip(read, write([passage for _, passage in read]), strict=True):
            queue.drafts.extend((passage, draft) for draft in drafts)


@dataclass
class _Collected:
    """The questions so far, by their normalised text; ``None`` for one that turned out to be ambiguous."""

    limits: Limits
    writer_name: str
    by_question: dict[str, MadeQuestion | None] = field(default_factory=dict)
    num_unsupported: int = 0
    ambiguous: list[str] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return sum(item is not None for item in self.by_question.values()) >= self.limits.questions

    def take(self, ready: Sequence[tuple[_Queue, Passage, Draft]], judge: Judge | None) -> None:
        supports = _judge(ready, judge)
        for (queue, passage, draft), support in zip(ready, supports, strict=True):
            if support is not None and support < self.limits.min_support:
                self.num_unsupported += 1
            elif not self.is_full:
                queue.num_made += self._add(queue.source, passage, draft, support)

    def _add(self, source: str, passage: Passage, draft: Draft, support: float | None) -> bool:
        """Whether it is a new question."""
        key = normalize_signs(draft.question)
        if key not in self.by_question:
            quote = find_quote(passage.text, draft)
            rounded = None if support is None else round(support, 3)
            place = (passage.location, quote, rounded, self.writer_name)
            self.by_question[key] = MadeQuestion(draft.question, draft.answer, (source,), *place)
            return True
        former = self.by_question[key]
        if former is not None and normalize_signs(former.answer) != normalize_signs(draft.answer):
            self.by_question[key] = None
            self.ambiguous.append(draft.question)
        elif former is not None and source not in former.sources:
            sources = (*former.sources, source)
            place = (former.location, former.quote, former.support, former.writer)
            self.by_question[key] = MadeQuestion(former.question, former.answer, sources, *place)
        return False

    def finish(self, num_documents: int) -> Made:
        questions = [item for item in self.by_question.values() if item is not None]
        return Made(questions, num_documents, self.num_unsupported, self.ambiguous)


def find_quote(text: str, draft: Draft) -> str:
    """The sentence of ``text`` with the answer that shares most words with the question; empty without one."""
    asked = set(normalize_signs(draft.question).split())
    sentences = [" ".join(text[start:end].split()) for start, end in sentence_spans(text)]
    holding = [sentence for sentence in sentences if draft.answer.casefold() in sentence.casefold()]
    return max(holding, key=lambda sentence: len(asked & set(normalize_signs(sentence).split())), default="")


def _judge(ready: Sequence[tuple[_Queue, Passage, Draft]], judge: Judge | None) -> Sequence[float | None]:
    if judge is None or not ready:
        return [None] * len(ready)
    verdicts = judge.judge([draft.question for _, _, draft in ready], [[passage] for _, passage, _ in ready])
    return [verdict.entail for (verdict,) in verdicts]


def _batches(queues: Sequence[_Queue]) -> Iterator[list[_Queue]]:
    rest = iter(queues)
    while batch := list(islice(rest, _BATCH)):
        yield batch
