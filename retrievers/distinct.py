"""Copies of one passage count once. A file under several names would fill the top of every ranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from langchain_core.retrievers import BaseRetriever

from rag.core.passages import Passage, ScoredPassage
from rag.core.retrieval import Found
from retrievers.base import find

# How much deeper a ranking is read at a time until it has enough passages that differ.
_DEPTH_FACTOR = 4


def find_distinct(retriever: BaseRetriever, queries: Sequence[str], top_k: int) -> list[Found]:
    """The rankings of :func:`retrievers.base.find`, with ``top_k`` passages that differ wherever there are so many."""
    results = [Found(())] * len(queries)
    waiting, depth = list(range(len(queries))), top_k
    while waiting:
        rankings = find(retriever, [queries[index] for index in waiting], depth)
        is_cut = {}
        for index, found in zip(waiting, rankings, strict=True):
            results[index] = _without_copies(found, top_k)
            is_cut[index] = len(found.ranking) >= depth
        waiting = [index for index in waiting if is_cut[index] and len(results[index].ranking) < top_k]
        depth *= _DEPTH_FACTOR
    return results


def drop_copies(ranking: Iterable[ScoredPassage]) -> tuple[ScoredPassage, ...]:
    """The ranking without passages that say what a better one says."""
    first: dict[tuple[str, str], ScoredPassage] = {}
    for scored in ranking:
        first.setdefault(_content(scored.passage), scored)
    return tuple(first.values())


def unite_copies(rankings: Sequence[Sequence[ScoredPassage]]) -> list[list[ScoredPassage]]:
    """Rankings of several queries in which one passage stands for all of its copies, the one that comes first."""
    first: dict[tuple[str, str], Passage] = {}
    for scored in (scored for ranking in rankings for scored in ranking):
        first.setdefault(_content(scored.passage), scored.passage)
    return [[replace(scored, passage=first[_content(scored.passage)]) for scored in ranking] for ranking in rankings]


def _without_copies(found: Found, top_k: int) -> Found:
    ranking = drop_copies(found.ranking)[:top_k]
    names = {scored.passage.passage_id for scored in ranking}
    return replace(found, ranking=ranking, paths=tuple(path for path in found.paths if path.passage_id in names))


def _content(passage: Passage) -> tuple[str, str]:
    """What a passage says. Its title is none of it: of a file without one it is the file's name."""
    return passage.heading, " ".join(passage.text.split())
