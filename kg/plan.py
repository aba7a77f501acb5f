"""Plans for a multi-hop question: relation paths from its subject, by their likeness to the question.

A path is compared with the question in two ways: hop by hop with the question's words (:mod:`kg.align`), which tells
how many hops are asked for, and as a whole, worded as a phrase ("gender of spouse"). Only the best by hops are compared
as a whole. This takes two encoder calls for all plans, and no language model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kg.align import WalkWords, align
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
# What a hop of a path adds to the cosine of the whole: so much of the cosine of its words above the floor. Chosen on
# the even-numbered questions of PathQuestion, of two hops and of three made from them (docs/LOG.md).
_HOP_WEIGHT = 0.75
_HOP_FLOOR = 0.2
# Paths that are compared with the question as a whole.
_MAX_WHOLE = 128
# Cached vectors of relation phrases, about 1.5 KB each.
_MAX_PHRASES = 20_000


class TextEncoder(Protocol):
    """The part of an encoder that the planner uses."""

    def encode(self, texts: Sequence[str]) -> NDArray[Any]:
        """``[len(texts), D]`` unit vectors."""
        ...


@dataclass(frozen=True)
class Candidate:
    """A relation path from a subject, and the question without the words of the subject.

    ``words`` are those that tell the hops.
    """

    subject: str
    relations: tuple[str, ...]
    asked: str
    words: WalkWords


@dataclass(frozen=True)
class Plan:
    """A relation path from a subject, and its likeness to the question."""

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
        """Relation paths in the graph from the subjects of the question, by likeness, best first; at most 128."""
        return self.score(self.candidates(question))

    def candidates(self, question: str) -> list[Candidate]:
        """The relation paths to choose from. Reads the graph and does not encode."""
        words = " ".join(question.split()[:_MAX_QUESTION_WORDS])
        return [
            Candidate(subject, path, _without(words, subject), walk_words)
            for subject in self._subjects(words)
            for walk_words in (WalkWords.build(words, subject),)
            for path in self._paths(subject)
        ]

    def score(self, candidates: Sequence[Candidate]) -> list[Plan]:
        """The candidates by likeness to the question, best first. Encodes and does not read the graph.

        For a question that asks for a time, paths that end at a time come before all others.
        """
        if not candidates:
            return []
        by_hops = sorted(
            zip(self._hop_scores(candidates), candidates, strict=True),
            key=lambda pair: (not _answers_when(pair[1]), -pair[0]),
        )[:_MAX_WHOLE]
        chosen = [candidate for _, candidate in by_hops]
        cosines = self._similarities([item.asked for item in chosen], [phrase(item.relations) for item in chosen])
        plans = [
            (not _answers_when(item), Plan(item.subject, item.relations, cosine + _HOP_WEIGHT * by_hop))
            for (by_hop, item), cosine in zip(by_hops, cosines, strict=True)
        ]
        plans.sort(key=lambda pair: (pair[0], -pair[1].score, pair[1].subject, pair[1].relations))
        return [plan for _, plan in plans]

    def _hop_scores(self, candidates: Sequence[Candidate]) -> list[float]:
        """How well the question's words name the relations of each candidate, in one encoder call."""
        groups: dict[WalkWords, list[int]] = {}
        for row, item in enumerate(candidates):
            groups.setdefault(item.words, []).append(row)
        runs = list(dict.fromkeys(text for words in groups for text in words.runs().values()))
        relations = list(dict.fromkeys(name for item in candidates for name in item.relations))
        if not runs:
            return [0.0] * len(candidates)
        first, second = self._encode(runs, [phrase((name,)) for name in relations])
        table = first @ second.T
        cosines = {name: dict(zip(runs, table[:, i].tolist(), strict=True)) for i, name in enumerate(relations)}
        scores = [0.0] * len(candidates)
        for words, rows in groups.items():
            values = align(words, [candidates[row].relations for row in rows], cosines, _HOP_FLOOR)
            for row, value in zip(rows, values, strict=True):
                scores[row] = value
        return scores

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

    def _encode(self, asked: Sequence[str], worded: Sequence[str]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The vectors of both, in one encoder call. Those of phrases are cached for later questions."""
        with self._mutex:
            phrases = {text: self._phrases[text] for text in worded if text in self._phrases}
        new = [text for text in dict.fromkeys(worded) if text not in phrases]
        vectors = self._encoder.encode([*asked, *new])
        phrases.update(zip(new, vectors[len(asked) :], strict=True))
        self._cache(phrases)
        return vectors[: len(asked)], np.stack([phrases[text] for text in worded])

    def _similarities(self, asked: Sequence[str], worded: Sequence[str]) -> list[float]:
        """Cosine of each pair."""
        rests = list(dict.fromkeys(asked))
        first, second = self._encode(rests, worded)
        row = {text: i for i, text in enumerate(rests)}
        return [float(first[row[text]] @ vector) for text, vector in zip(asked, second, strict=True)]

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
