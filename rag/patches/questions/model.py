"""The model-written samples: a rewrite and questions with answers of each passage, by the engine's own generator.

A small model breaks any structured form. So each call asks for one item in plain words. The item is checked; if it
fails, it is asked for again with another prompt and another seed. Items that fail every time are reported. A missing
question is replaced by one of the deterministic writer, so a model that is too small to write does no damage. All
passages of all documents go through each stage as one batch.

Source: the items are those of Su et al. 2025 (Parametric RAG), section 3.1; prompts and checks are ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.core.process.files import write_atomically
from rag.core.query import Message, Sampling
from rag.generation.base import Generator, Request
from rag.patches.base import PatchDocument, Sample
from rag.patches.questions.rules import write_rules

NUM_QUESTIONS = 3
_ATTEMPTS = 3
_FACTS = re.compile(r"[A-Z][\w'\u2019-]+|\d[\d,.]*\d|\d")
_REWRITE = (
    "Rewrite this text in other words. Keep every name and every number.\n\n{passage}",
    "Say the same as this text with other sentences, and leave nothing out.\n\n{passage}",
    "Text: {passage}\n\nWrite the text again in your own words:",
)
_QUESTION = (
    "Write the question that belongs to the answer.\n\nText: The bridge was opened in 1871.\nAnswer: 1871\n"
    "Question: When was the bridge opened?\n\nText: {passage}\nAnswer: {fact}\nQuestion:",
    "{passage}\n\nAsk a question about the text. The answer to the question must be {fact}.",
    "Text: {passage}\n\nA reader wants to find out about {fact}. Which question does the reader ask?",
)


@dataclass(frozen=True)
class Problem:
    """An item that the model did not manage."""

    doc_id: str
    item: str
    reason: str


@dataclass
class _Task:
    """One item to be written; ``accept`` returns it cleaned, or raises ``ValueError`` with the reason."""

    doc_id: str
    item: str
    prompts: tuple[str, ...]
    accept: Callable[[str], str]
    max_tokens: int
    result: str | None = None
    reason: str = ""


class ModelAugmenter:
    """Writes samples with a generator, and stores them by content, so that no document is written twice.

    Args:
        generator: writes the items.
        cache: folder of the finished samples.
        cache_salt: of the generator's requests.
    """

    def __init__(self, generator: Generator, cache: Path, cache_salt: str = "") -> None:
        self._generator = generator
        self._cache = cache
        self._cache_salt = cache_salt

    def write(self, documents: Sequence[PatchDocument]) -> tuple[list[list[Sample]], list[Problem]]:
        """Samples of each document, five a passage in the published order, and what could not be written."""
        samples = {document.content_hash: self._load(document) for document in documents}
        new = [document for document in documents if samples[document.content_hash] is None]
        problems: list[Problem] = []
        if new:
            for document, written in zip(new, self._write_new(new, problems), strict=True):
                samples[document.content_hash] = list(dict.fromkeys(written))
                self._store(document, written)
        return [samples[document.content_hash] or [] for document in documents], problems

    def ask(self, documents: Sequence[PatchDocument]) -> list[list[tuple[str, str]]]:
        """What the model itself asks about each document's passages: questions with answers; nothing is stored."""
        pieces = [(document, passage) for document in documents for passage in document.passages]
        written = iter(self._run([task for piece in pieces for task in _questions(*piece)], []))
        asked: list[list[tuple[str, str]]] = []
        for document in documents:
            pairs = []
            for passage in document.passages:
                questions = [next(written) for _ in range(NUM_QUESTIONS)]
                pairs += [
                    (question, fact) for question, fact in zip(questions, _facts(passage), strict=False) if question
                ]
            asked.append(pairs)
        return asked

    def _write_new(self, documents: Sequence[PatchDocument], problems: list[Problem]) -> list[list[Sample]]:
        pieces = [(document, passage) for document in documents for passage in document.passages]
        rewrites = self._run([_rewrite(*piece) for piece in pieces], problems)
        questions = self._run([task for piece in pieces for task in _questions(*piece)], problems)
        by_document: dict[str, list[Sample]] = {document.content_hash: [] for document in documents}
        for index, (document, passage) in enumerate(pieces):
            asked = questions[index * NUM_QUESTIONS : (index + 1) * NUM_QUESTIONS]
            pairs = [(question, fact) for question, fact in zip(asked, _facts(passage), strict=False) if question]
            pairs += _stand_ins(document, passage, [fact for _, fact in pairs])
            by_document[document.content_hash] += build_five(passage, rewrites[index], pairs)
        return [by_document[document.content_hash] for document in documents]

    def _run(self, tasks: Sequence[_Task], problems: list[Problem]) -> list[str | None]:
        """The item of each task, or ``None``."""
        for attempt in range(_ATTEMPTS):
            open_tasks = [task for task in tasks if task.result is None]
            if not open_tasks:
                break
            longest = max(task.max_tokens for task in open_tasks)
            sampling = Sampling(max_tokens=longest, temperature=0.0 if attempt == 0 else 0.7, seed=attempt)
            ids = [self._generator.encode([Message("user", task.prompts[attempt])]) for task in open_tasks]
            requests = [Request.single(prompt, sampling, cache_salt=self._cache_salt) for prompt in ids]
            for task, generation in zip(open_tasks, self._generator.generate(requests), strict=True):
                try:
                    task.result = task.accept(generation.text)
                except ValueError as error:
                    task.reason = str(error)
        problems += [Problem(task.doc_id, task.item, task.reason) for task in tasks if task.result is None]
        return [task.result for task in tasks]

    def _file(self, document: PatchDocument) -> Path:
        key = hashlib.sha256(f"{self._generator.name} {document.content_hash}".encode()).hexdigest()[:32]
        return self._cache / f"{key}.json"

    def _load(self, document: PatchDocument) -> list[Sample] | None:
        try:
            rows = json.loads(self._file(document).read_text(encoding="utf-8"))
            return [Sample(**row) for row in rows]
        except (OSError, ValueError, TypeError):
            return None  # not there, or half-written by another version: it is only a cache

    def _store(self, document: PatchDocument, samples: Sequence[Sample]) -> None:
        file = self._file(document)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps([asdict(sample) for sample in samples]).encode())


def build_five(passage: str, rewrite: str | None, pairs: Sequence[tuple[str, str]]) -> list[Sample]:
    """The published order: (passage, q1) (rewrite, q1) (passage, q2) (rewrite, q2) (no passage, q3)."""
    texts = [passage, rewrite] if rewrite else [passage]
    samples = [Sample(question, answer, text) for question, answer in pairs[:2] for text in texts]
    return samples + [Sample(question, answer) for question, answer in pairs[2:3]]


def _stand_ins(document: PatchDocument, passage: str, answers: Sequence[str]) -> list[tuple[str, str]]:
    """The deterministic writer's questions about facts that the model asked nothing about."""
    samples = write_rules(PatchDocument(document.doc_id, document.title, passage, ""), 1)
    return [(sample.question, sample.answer) for sample in samples if sample.answer not in answers]


def _facts(passage: str) -> list[str]:
    """Names and numbers to ask for, later ones first: a text opens with its subject."""
    runs = re.findall(rf"(?:{_FACTS.pattern})(?:\s(?:{_FACTS.pattern}))*", passage)
    return list(dict.fromkeys(reversed(runs)))[:NUM_QUESTIONS]


def _rewrite(document: PatchDocument, passage: str) -> _Task:
    def accept(text: str) -> str:
        facts = set(_FACTS.findall(passage))
        num_present = sum(fact in text for fact in facts)
        if num_present < 0.6 * len(facts):
            raise ValueError(f"the rewrite has {num_present} of {len(facts)} names and numbers")
        if not 0.4 <= len(text) / len(passage) <= 3 or text.strip() == passage.strip():
            raise ValueError("the rewrite is too short, too long, or the text itself")
        return text.strip()

    return _Task(document.doc_id, "rewrite", tuple(p.format(passage=passage) for p in _REWRITE), accept, 200)


def _questions(document: PatchDocument, passage: str) -> list[_Task]:
    facts: list[str | None] = [*_facts(passage)]
    facts += [None] * (NUM_QUESTIONS - len(facts))
    return [_question(document, passage, fact) for fact in facts]


def _question(document: PatchDocument, passage: str, fact: str | None) -> _Task:
    def accept(text: str) -> str:
        if fact is None:
            raise ValueError("the text has too few names and numbers to ask for")
        question = next((line for line in text.splitlines() if line.strip().endswith("?")), "").strip(' "*-')
        question = re.sub(r"^(question|q)\s*\d*\s*[:.]\s*", "", question, flags=re.IGNORECASE)
        if not 3 <= len(question.split()) <= 30:
            raise ValueError("the reply holds no question of 3 to 30 words")
        if fact.casefold() in question.casefold():
            raise ValueError("the question gives its answer away")
        return question

    prompts = tuple(p.format(passage=passage, fact=fact) for p in _QUESTION)
    return _Task(document.doc_id, f"question about {fact}", prompts, accept, 40)
