"""Plans for a multi-hop question: relation paths from its subject, by their likeness to the question.

The planner compares the question without its subject with every relation path from the subject, worded as a phrase
("gender of spouse"). This takes one encoder call for all plans, and no language model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.names import canonical, find_pieces, is_unspaced
from rag.core.english import FUNCTION_WORDS

# Long questions are cut: linking tries every run of words.
_MAX_QUESTION_WORDS = 256
_MAX_NAME_WORDS = 16
# A question for a time, and the words by which relations name one. To an encoder "year of birth" and "place of birth"
# are equally near to "when was she born".
_ASKS_FOR_TIME = re.compile(r"\b(?:when|(?:which|what) (?:year|date|day|month|century))\b")
_TIME_WORDS = frozenset(("year", "date", "day", "month", "century", "time"))
# Cached vectors of relation phrases, about 1.5 KB each.
_MAX_PHRASES = 20_000


class TextEncoder(Protocol):
    """The part of an encoder that the planner uses."""

    def encode(self, texts: Sequence[str]) -> NDArray[Any]:
        """``[len(texts), D]`` unit vectors."""
        ...


@dataclass(frozen=True)
class Candidate:
    """A relation path from a subject, and the question's words without those of the subject."""

    subject: str
    relations: tuple[str, ...]
    asked: str


@dataclass(frozen=True)
class Plan:
    """A relation path from a subject, and its cosine to the question."""

    subject: str
    relations: tuple[str, ...]
    score: float


class Planner:
    """Plans questions over a graph.

    Args:
        graph: the triples; it may change between questions.
        encoder: any sentence encoder with unit vectors.
        max_hops: maximum length of a path.
        max_plans: relation paths tried per subject, shortest first; bounds the work in a dense graph.
    """

    def __init__(self, graph: KnowledgeGraph, encoder: TextEncoder, max_hops: int, max_plans: int) -> None:
        self._graph = graph
        self._encoder = encoder
        self._max_hops = max_hops
        self._max_plans = max_plans
        self._phrases: dict[str, NDArray[Any]] = {}
        self._mutex = Lock()  # guards the phrases; never held while encoding

    def plan(self, question: str) -> list[Plan]:
        """Every relation path in the graph from a subject of the question, by cosine, best first."""
        return self.score(self.candidates(question))

    def candidates(self, question: str) -> list[Candidate]:
        """The relation paths to choose from. Reads the graph and does not encode."""
        words = " ".join(question.split()[:_MAX_QUESTION_WORDS])
        return [
            Candidate(subject, path, _without(words, subject))
            for subject in self._subjects(words)
            for path in self._paths(subject)
        ]

    def score(self, candidates: Sequence[Candidate]) -> list[Plan]:
        """The candidates by cosine to the question, best first. Encodes and does not read the graph.

        For a question that asks for a time, paths that end at a time come before all others.
        """
        if not candidates:
            return []
        cosines = self._similarities(
            [item.asked for item in candidates], [phrase(item.relations) for item in candidates]
        )
        plans = [
            (not _answers_when(item), Plan(item.subject, item.relations, cosine))
            for item, cosine in zip(candidates, cosines, strict=True)
        ]
        plans.sort(key=lambda pair: (pair[0], -pair[1].score, pair[1].subject, pair[1].relations))
        return [plan for _, plan in plans]

    def _subjects(self, question: str) -> list[str]:
        """The longest names in the question that are the subject of a claim, without names inside longer ones."""
        text = canonical(question)
        words = find_pieces(text)
        subjects: dict[str, None] = {}
        taken = [False] * len(words)
        for length in range(min(_MAX_NAME_WORDS, len(words)), 0, -1):
            for first in range(len(words) - length + 1):
                name = text[words[first][0] : words[first + length - 1][1]]
                is_free = not any(taken[first : first + length])
                if is_free and name not in FUNCTION_WORDS and self._graph.claims_about(name):
                    subjects[name] = None
                    taken[first : first + length] = [True] * length
        return list(subjects)

    def _paths(self, subject: str) -> list[tuple[str, ...]]:
        """Relation paths from ``subject``, breadth first, without repetitions."""
        level: dict[tuple[str, ...], set[str]] = {(): {subject}}
        paths: list[tuple[str, ...]] = []
        for _ in range(self._max_hops):
            deeper: dict[tuple[str, ...], set[str]] = {}
            for path, ends in level.items():
                for end in sorted(ends):
                    for _, relation, target in self._graph.claims_about(end):
                        deeper.setdefault((*path, relation), set()).add(target)
            paths += sorted(deeper)
            if len(paths) >= self._max_plans:
                return paths[: self._max_plans]
            level = deeper
        return paths

    def _similarities(self, asked: Sequence[str], worded: Sequence[str]) -> list[float]:
        """Cosine of each pair, in one encoder call. Phrases are cached for later questions."""
        with self._mutex:
            phrases = {text: self._phrases[text] for text in worded if text in self._phrases}
        rests = list(dict.fromkeys(asked))
        new = [text for text in dict.fromkeys(worded) if text not in phrases]
        vectors = self._encoder.encode([*rests, *new])
        phrases.update(zip(new, vectors[len(rests) :], strict=True))
        self._cache(phrases)
        row = {text: i for i, text in enumerate(rests)}
        return [float(vectors[row[a]] @ phrases[b]) for a, b in zip(asked, worded, strict=True)]

    def _cache(self, phrases: Mapping[str, NDArray[Any]]) -> None:
        """Cache phrases up to the limit; the least recently used are removed first."""
        with self._mutex:
            for text, vector in phrases.items():
                self._phrases.pop(text, None)
                self._phrases[text] = vector
            for text in list(self._phrases)[:-_MAX_PHRASES]:
                del self._phrases[text]


def _answers_when(candidate: Candidate) -> bool:
    """Whether the question asks for a time and the path ends at one."""
    last = candidate.relations[-1].replace("_", " ").lower().split()
    return _ASKS_FOR_TIME.search(candidate.asked) is not None and not _TIME_WORDS.isdisjoint(last)


def phrase(relations: Sequence[str]) -> str:
    """A relation path as an English phrase, last hop first: ``("spouse", "gender")`` is "gender of spouse"."""
    return " of ".join(relation.replace("_", " ").strip() for relation in reversed(relations))


def _without(question: str, subject: str) -> str:
    """The question without the words of its subject, possessives and punctuation."""
    text = canonical(question)
    words = text.replace(subject, " ", 1) if is_unspaced(subject) else f" {text} ".replace(f" {subject} ", " ", 1)
    return re.sub(r"\s+", " ", words).strip()
