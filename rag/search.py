"""The front half of the pipeline: from questions to the passages that their answers are made from.

    rewrite -> retrieve (or recall from memory) -> filter

Each stage takes the whole batch. Questions of one batch may ask for different ways; alike ones go together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rag.found import Found, GraphPath, RetrievalKind, Rewrite, StageRanking, Trace
from rag.parts import Parts
from rag.types import Query, ScoredPassage
from retrievers.base import find, stage_of
from retrievers.complexity import complexity, top_k_of
from retrievers.judges import Judge
from retrievers.rewrite import by_rules, fused

_Key = TypeVar("_Key", bound=Hashable)
# The filter chooses among more passages than the answer gets.
_MIN_CANDIDATES = 10


@dataclass(frozen=True)
class Searched:
    """One query with the passages that its answer is made from, best first, and how they were found.

    Attributes:
        is_supported: whether the passages support any answer; always, unless the query may be abstained from.
    """

    query: Query
    ranking: tuple[ScoredPassage, ...]
    trace: Trace = field(default_factory=Trace)
    paths: tuple[GraphPath, ...] = ()
    is_supported: bool = True


class Searcher:
    """The three stages, in order :meth:`rewrite`, :meth:`retrieve`, :meth:`filter`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def search(self, queries: Sequence[Query]) -> list[Searched]:
        """All stages."""
        rewrites = self.rewrite(queries)
        return self.filter(queries, rewrites, self.retrieve(queries, rewrites))

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

    def filter(
        self, queries: Sequence[Query], rewrites: Sequence[Rewrite], retrieved: Sequence[Searched]
    ) -> list[Searched]:
        """What of it is kept, remembered for alike questions; and whether it supports an answer at all."""
        out = list(retrieved)
        kinds = [_no_filter(item) or item.query.search.filter for item in out]
        for kind, rows in _groups(kinds):
            if kind != "off":
                judged = self._parts.filter(kind).filter(
                    [rewrites[row].question for row in rows], [out[row].ranking for row in rows]
                )
                for row, (kept, verdicts) in zip(rows, judged, strict=True):
                    hits = tuple(
                        (s.passage.passage_id, v.entail) for s, v in zip(out[row].ranking, verdicts, strict=True)
                    )
                    out[row] = _kept(out[row], kept, StageRanking("filter", hits))
        out = [_cut(item, rewrite) for item, rewrite in zip(out, rewrites, strict=True)]
        self._remember(rewrites, out)
        return self._weighed(rewrites, out)

    def _recalled(self, queries: Sequence[Query], rewrites: Sequence[Rewrite]) -> dict[int, Searched]:
        rows = [row for row, query in enumerate(queries) if query.search.memory]
        if not rows:
            return {}
        vectors = self._parts.encoder.encode([rewrites[row].question for row in rows])
        found = self._parts.reservoir.recall(vectors, [_top_k(queries[row], rewrites[row]) for row in rows])
        return {
            row: Searched(queries[row], ranking, _trace(rewrites[row], (stage_of("memory", ranking),), is_memory=True))
            for row, ranking in zip(rows, found, strict=True)
            if ranking is not None
        }

    def _remember(self, rewrites: Sequence[Rewrite], searched: Sequence[Searched]) -> None:
        rows = [i for i, item in enumerate(searched) if item.query.search.memory and not item.trace.is_from_memory]
        if rows:
            questions = [rewrites[row].question for row in rows]
            vectors = self._parts.encoder.encode(questions)
            self._parts.reservoir.remember(questions, vectors, [searched[row].ranking for row in rows])

    def _weighed(self, rewrites: Sequence[Rewrite], searched: list[Searched]) -> list[Searched]:
        """With ``is_supported`` settled for the queries that may be abstained from."""
        asked = [_judge_kind(item.query) if item.query.search.abstain else "off" for item in searched]
        for kind, rows in _groups(asked):
            if kind != "off":
                judge: Judge = self._parts.filter(kind).judge
                passages = [[scored.passage for scored in searched[row].ranking] for row in rows]
                support = judge.support([rewrites[row].question for row in rows], passages)
                for row, value in zip(rows, support, strict=True):
                    searched[row] = replace(searched[row], is_supported=value >= self._parts.abstain_below)
        return searched


def _way(query: Query, rewrite: Rewrite) -> tuple[RetrievalKind, int]:
    """Retriever and depth: questions that share both are searched for together."""
    top_k = _top_k(query, rewrite)
    return query.search.retrieval, top_k if query.search.filter == "off" else max(top_k, _MIN_CANDIDATES)


def _searched(query: Query, rewrite: Rewrite, parts: Sequence[Found], depth: int) -> Searched:
    """One query's results for all it was searched by. Stages and paths are those of the clarified question."""
    main = parts[rewrite.queries.index(rewrite.question)]
    ranking = tuple(fused(rewrite, [part.ranking for part in parts], depth))
    stages = main.stages if len(parts) == 1 else (*main.stages, stage_of("queries", ranking))
    return Searched(query, ranking, replace(_trace(rewrite, stages), num_retrieved=len(ranking)), main.paths)


def _trace(rewrite: Rewrite, stages: tuple[StageRanking, ...], *, is_memory: bool = False) -> Trace:
    return Trace(complexity(rewrite.question), rewrite.queries, is_memory, 0, stages)


def _no_filter(item: Searched) -> str:
    """What memory holds was filtered before it was remembered."""
    return "off" if item.trace.is_from_memory else ""


def _kept(item: Searched, kept: Sequence[ScoredPassage], stage: StageRanking) -> Searched:
    trace = replace(item.trace, stages=(*item.trace.stages, stage))
    return replace(item, ranking=tuple(kept), trace=trace)


def _cut(item: Searched, rewrite: Rewrite) -> Searched:
    ranking = item.ranking[: _top_k(item.query, rewrite)]
    names = {scored.passage.passage_id for scored in ranking}
    return replace(item, ranking=ranking, paths=tuple(path for path in item.paths if path.passage_id in names))


def _top_k(query: Query, rewrite: Rewrite) -> int:
    return query.top_k or top_k_of(rewrite.question)


def _judge_kind(query: Query) -> str:
    return "model" if query.search.filter == "model" else "encoder"


def _groups(keys: Iterable[_Key]) -> list[tuple[_Key, list[int]]]:
    """Positions by key, keys in the order of their first."""
    rows: dict[_Key, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return list(rows.items())
