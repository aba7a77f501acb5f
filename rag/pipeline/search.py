"""The front half of the pipeline: from questions to the passages that their answers are made from.

    rewrite -> retrieve (or recall from memory) -> filter

Each stage takes the whole batch. Questions of one batch may ask for different ways; alike ones go together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rag.core.passages import Passage, ScoredPassage
from rag.core.query import Query, RetrievalKind
from rag.core.retrieval import Found, GraphPath, Rewrite, StageRanking, Trace
from rag.pipeline.parts import Parts
from retrievers.base import find, stage_of
from retrievers.judging.judges import Judge
from retrievers.query.length_class import complexity, top_k_of
from retrievers.query.rewrite import by_rules, fused

_Key = TypeVar("_Key", bound=Hashable)
# The filter chooses among more passages than the answer gets.
_MIN_CANDIDATES = 10


@dataclass(frozen=True)
class Searched:
    """One query with the passages that its answer is made from, best first, and how they were found.

    Attributes:
        question: the clarified question.
        is_supported: whether the passages support any answer; always, unless the query may be abstained from.
    """

    query: Query
    question: str
    ranking: tuple[ScoredPassage, ...]
    trace: Trace = field(default_factory=Trace)
    paths: tuple[GraphPath, ...] = ()
    is_supported: bool = True

    @property
    def passages(self) -> list[Passage]:
        """The ranking without its scores."""
        return [scored.passage for scored in self.ranking]


class Searcher:
    """The three stages, in order :meth:`rewrite`, :meth:`retrieve`, :meth:`filter`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def search(self, queries: Sequence[Query]) -> list[Searched]:
        """All stages."""
        return self.filter(self.retrieve(queries, self.rewrite(queries)))

    def rewrite(self, queries: Sequence[Query]) -> list[Rewrite]:
        """What is searched for in the place of each question."""
        rewrites = [Rewrite(query.question, (query.question,)) for query in queries]
        for kind, rows in _groups(query.search.rewrite for query in queries):
            some = [queries[row] for row in rows]
            if kind != "off":
                made = self._parts.rewriter().rewrite(some) if kind == "model" else map(by_rules, some)
                for row, rewrite in zip(rows, made, strict=True):
                    rewrites[row] = rewrite
        return rewrites

    def retrieve(self, queries: Sequence[Query], rewrites: Sequence[Rewrite]) -> list[Searched]:
        """The best passages of each: remembered ones where they are enough, else retrieved."""
        out = self._recalled(queries, rewrites)
        missing = [row for row in range(len(queries)) if row not in out]
        wanted = [_way(queries[row], rewrites[row]) for row in missing]
        for (kind, depth), places in _groups(wanted):
            rows = [missing[place] for place in places]
            texts = [text for row in rows for text in rewrites[row].queries]
            results = iter(find(self._parts.retriever(kind), texts, depth))
            for row in rows:
                parts = [next(results) for _ in rewrites[row].queries]
                out[row] = _searched(queries[row], rewrites[row], parts, depth)
        return [out[row] for row in range(len(queries))]

    def filter(self, retrieved: Sequence[Searched]) -> list[Searched]:
        """What of it is kept and whether it supports an answer; if so, it is remembered for alike questions."""
        searched = self._weighed([_cut(item) for item in self._judged(retrieved)])
        new = [item for item in searched if item.query.search.memory and not item.trace.is_from_memory]
        supported = [item for item in new if item.is_supported]
        if supported:
            questions = [item.question for item in supported]
            vectors = self._parts.encoder.encode(questions)
            self._parts.reservoir.remember(questions, vectors, [item.ranking for item in supported])
        return searched

    def _recalled(self, queries: Sequence[Query], rewrites: Sequence[Rewrite]) -> dict[int, Searched]:
        rows = [row for row, query in enumerate(queries) if query.search.memory]
        if not rows:
            return {}
        questions = [rewrites[row].question for row in rows]
        most = [_top_k(queries[row], question) for row, question in zip(rows, questions, strict=True)]
        found = self._parts.reservoir.recall(questions, self._parts.encoder.encode, most)
        return {
            row: Searched(
                queries[row],
                rewrites[row].question,
                ranking,
                _trace(rewrites[row], (stage_of("memory", ranking),), is_memory=True),
            )
            for row, ranking in zip(rows, found, strict=True)
            if ranking is not None
        }

    def _judged(self, retrieved: Sequence[Searched]) -> list[Searched]:
        """Without the passages that the filter drops. What memory held was filtered before it was remembered."""
        out = list(retrieved)
        for kind, rows in _groups("off" if item.trace.is_from_memory else item.query.search.filter for item in out):
            if kind == "off":
                continue
            some = [out[row] for row in rows]
            judged = self._parts.filter(kind).filter([item.question for item in some], [item.ranking for item in some])
            for row, item, (kept, verdicts) in zip(rows, some, judged, strict=True):
                names = [passage.passage_id for passage in item.passages]
                stage = StageRanking("filter", tuple(zip(names, (v.entail for v in verdicts), strict=True)))
                trace = replace(item.trace, stages=(*item.trace.stages, stage))
                out[row] = replace(item, ranking=tuple(kept), trace=trace)
        return out

    def _weighed(self, searched: Sequence[Searched]) -> list[Searched]:
        """With ``is_supported`` settled for the queries that may be abstained from."""
        out = list(searched)
        for kind, rows in _groups(_judge_of(item.query) for item in out):
            if kind == "off":
                continue
            judge: Judge = self._parts.filter(kind).judge
            support = judge.support([out[row].question for row in rows], [out[row].passages for row in rows])
            for row, value in zip(rows, support, strict=True):
                out[row] = replace(out[row], is_supported=value >= self._parts.abstain_below)
        return out


def _way(query: Query, rewrite: Rewrite) -> tuple[RetrievalKind, int]:
    """Retriever and depth: questions that share both are searched for together."""
    top_k = _top_k(query, rewrite.question)
    return query.search.retrieval, top_k if query.search.filter == "off" else max(top_k, _MIN_CANDIDATES)


def _searched(query: Query, rewrite: Rewrite, parts: Sequence[Found], depth: int) -> Searched:
    """One query's results for all it was searched by. Stages and paths are those of the clarified question."""
    main = parts[rewrite.queries.index(rewrite.question)]
    ranking = tuple(fused(rewrite, [part.ranking for part in parts], depth))
    stages = main.stages if len(parts) == 1 else (*main.stages, stage_of("queries", ranking))
    trace = replace(_trace(rewrite, stages), num_retrieved=len(ranking))
    return Searched(query, rewrite.question, ranking, trace, main.paths)


def _trace(rewrite: Rewrite, stages: tuple[StageRanking, ...], *, is_memory: bool = False) -> Trace:
    return Trace(complexity(rewrite.question), rewrite.queries, is_memory, 0, stages)


def _cut(item: Searched) -> Searched:
    ranking = item.ranking[: _top_k(item.query, item.question)]
    names = {scored.passage.passage_id for scored in ranking}
    return replace(item, ranking=ranking, paths=tuple(path for path in item.paths if path.passage_id in names))


def _top_k(query: Query, question: str) -> int:
    return query.top_k or top_k_of(question)


def _judge_of(query: Query) -> str:
    """Who says whether a query's passages support an answer; ``off`` where nobody is asked."""
    if not query.search.abstain:
        return "off"
    return "model" if query.search.filter == "model" else "encoder"


def _groups(keys: Iterable[_Key]) -> list[tuple[_Key, list[int]]]:
    """Positions by key, keys in the order of their first."""
    rows: dict[_Key, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return list(rows.items())
