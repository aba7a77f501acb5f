"""Query Rewriter+: the search queries for a question. The original question is always one of them.

There are two ways. Rules complete a follow-up with names from the conversation. The generator also proposes up to five
facets. If its reply cannot be used, the result of the rules is.

Source: the module of Four-Module Synergy (Shi et al. 2024); rules and prompt ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kg.stems import stems
from rag.core.language import may_be_english
from rag.core.passages import ScoredPassage
from rag.core.query import Message, Query, Sampling
from rag.core.replies import find_object
from rag.core.retrieval import Rewrite
from rag.generation.base import Generator, Request
from retrievers.fusion import reciprocal_rank_fusion
from retrievers.query.follow_up import stand_alone
from retrievers.query.length_class import default_num_facets

MAX_FACETS = 5
# A question this long has enough words to search for.
_MAX_WORDS = 256
_MAX_QUERY_WORDS = 48
_MAX_REPLY_TOKENS = 192
_MAX_TURNS = 6
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*(.+?)\s*$")
# Weights of the main query's ranking and of each other's. Facets of equal weight cost up to 12 points of recall
# (docs/LOG.md): they may bring a passage in, not push the main query's passages out.
_RRF_K = 10
_SIDE_WEIGHT = 0.05


def by_rules(query: Query) -> Rewrite:
    """The question and, if it needs the conversation, a version that stands alone; the rules know English only."""
    if not may_be_english(query.question):
        return Rewrite(query.question, (query.question,))
    queries = _distinct([query.question, stand_alone(query.question, query.history)])
    return Rewrite(queries[-1], queries)


class ModelRewriter:
    """Asks the generator for the clarified question and its facets, all questions in one batch.

    Short questions without a conversation, and questions of more than 256 words, are left to the rules.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def rewrite(self, queries: Sequence[Query]) -> list[Rewrite]:
        """One rewrite per query; that of the rules if the reply cannot be used."""
        rewrites = [by_rules(query) for query in queries]
        asked = [i for i, query in enumerate(queries) if self._is_worth_asking(query)]
        requests = [self._request(queries[i]) for i in asked]
        fitting = [(i, r) for i, r in zip(asked, requests, strict=True) if self._fits(r)]
        replies = self._generator.generate([request for _, request in fitting]) if fitting else []
        for (i, _), reply in zip(fitting, replies, strict=True):
            rewrites[i] = parse_reply(reply.text, queries[i], rewrites[i])
        return rewrites

    def _is_worth_asking(self, query: Query) -> bool:
        num_words = len(query.question.split())
        return num_words <= _MAX_WORDS and bool(query.history or default_num_facets(query.question))

    def _request(self, query: Query) -> Request:
        ids = self._generator.encode([Message("user", build_prompt(query))])
        sampling = Sampling(max_tokens=_MAX_REPLY_TOKENS)
        return Request.single(ids, sampling, cache_salt=query.cache_salt)

    def _fits(self, request: Request) -> bool:
        return len(request.context_ids) + request.sampling.max_tokens <= self._generator.window


def build_prompt(query: Query) -> str:
    """The prompt for the generator."""
    turns = [f"{message.role}: {message.content}" for message in query.history[-_MAX_TURNS:]]
    talk = "Conversation so far:\n" + "\n".join(turns) + "\n\n" if turns else ""
    num_facets = min(default_num_facets(query.question), MAX_FACETS)
    return (
        f"{talk}Question: {query.question}\n\n"
        "Prepare a document search for this question. Reply with one JSON object and nothing else:\n"
        '{"question": "...", "queries": ["...", "..."]}\n'
        '"question" is the same question, worded so that it is clear without the conversation. '
        f'"queries" are at most {num_facets} short searches, each for another fact that the answer needs. '
        "Use names from the question; invent none."
    )


def parse_reply(reply: str, query: Query, fallback: Rewrite) -> Rewrite:
    """The rewrite in a reply; ``fallback`` replaces the parts that are missing or cannot be used."""
    question, queries = _fields(reply)
    known = set(stems(" ".join([query.question, fallback.question, *(message.content for message in query.history)])))
    # A clarified question may add only words of the conversation and must keep at least half of the question's.
    asked = set(stems(query.question))
    is_faithful = _is_sound(question, known) and len(asked & set(stems(question))) * 2 >= len(asked)
    clear = question if query.history and is_faithful else fallback.question
    facets = [text for text in queries if _is_sound(text, known)]
    num_facets = min(default_num_facets(query.question), MAX_FACETS)
    main = _distinct([query.question, clear])
    return Rewrite(main[-1], _distinct([*main, *facets])[: len(main) + num_facets])


def fuse_rankings(rewrite: Rewrite, rankings: Sequence[Sequence[ScoredPassage]], top_k: int) -> list[ScoredPassage]:
    """One ranking from those of ``rewrite.queries``; the clarified question has by far the largest weight.

    A single query keeps its scores. Several are fused by weighted reciprocal rank.
    """
    if len(rankings) == 1:
        return list(rankings[0][:top_k])
    weights = [1.0 if text == rewrite.question else _SIDE_WEIGHT for text in rewrite.queries]
    return reciprocal_rank_fusion(rankings, _RRF_K, weights)[:top_k]


def _fields(reply: str) -> tuple[str, list[str]]:
    """Question and queries of a reply: from a JSON object anywhere in it, otherwise its lines as queries."""
    row = find_object(reply)
    if row is not None:
        queries, question = row.get("queries", []), row.get("question", "")
        listed = [text for text in queries if isinstance(text, str)] if isinstance(queries, list) else []
        return question if isinstance(question, str) else "", listed
    return "", [match[1] for line in reply.splitlines() if (match := _ITEM.match(line)) and "{" not in line]


def _is_sound(text: str, known: set[str]) -> bool:
    words = text.split()
    return 0 < len(words) <= _MAX_QUERY_WORDS and "\n" not in text and bool(known & set(stems(text)))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Each text once, compared without case, extra spaces and final punctuation."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(" ".join(text.casefold().split()).rstrip(" ?.!"), text.strip())
    return tuple(first.values())
