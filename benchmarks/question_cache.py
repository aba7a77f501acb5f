"""The question cache's workload: 100 questions, then two paraphrases of each, with and without the cache.

Rules make the paraphrases, the same ones in every run: one in a polite frame with other common words, one as the bare
keywords that people type into a search box.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.sets import TestSet, recall
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.models.sentence_encoder import SentenceEncoder
from retrievers.sparse import match_expression

NUM_QUESTIONS = 100
NUM_NEW = 200
TOP_K = 3
_FRAMES = ("Can you tell me {}?", "I would like to know {}.", "Please find out {}.", "Do you know {}?")
_OTHER_WORDS = {
    "located": "situated",
    "begin": "start",
    "began": "started",
    "created": "made",
    "kind": "type",
    "type": "kind",
    "country": "nation",
    "used": "employed",
    "called": "named",
    "main": "chief",
    "goal": "aim",
    "near": "close to",
    "important": "significant",
    "people": "persons",
    "big": "large",
    "large": "big",
    "happened": "took place",
    "died": "passed away",
    "famous": "well-known",
    "helped": "assisted",
    "caused": "brought about",
    "found": "discovered",
    "built": "constructed",
}


@dataclass(frozen=True)
class FollowUps:
    """The follow-ups, asked one way.

    Attributes:
        seconds: wall time of each question's search.
        num_retrieved: passages that retrieval returned for each question.
        documents: those in its final ranking.
    """

    seconds: list[float]
    num_retrieved: list[int]
    documents: list[list[str]]


def paraphrases(question: str, number: int) -> tuple[str, str]:
    """Two other wordings of a question; ``number`` chooses the frame."""
    bare = question.strip().rstrip("?.! ")
    words = [_OTHER_WORDS.get(word, word) for word in (bare[:1].lower() + bare[1:]).split()]
    framed = _FRAMES[number % len(_FRAMES)].format(" ".join(words))
    keywords = re.findall(r'"([^"]+)"', match_expression(bare))
    return framed, " ".join(keywords)


def workload(test_set: TestSet) -> tuple[list[str], list[str], list[set[str]]]:
    """100 answerable questions spread over the set, their 200 follow-ups, and the gold documents of those."""
    rows = [i for i, gold in enumerate(test_set.gold) if gold]
    chosen = [rows[i * len(rows) // NUM_QUESTIONS] for i in range(NUM_QUESTIONS)]
    questions = [test_set.questions[row] for row in chosen]
    pairs = [paraphrases(question, number) for number, question in enumerate(questions)]
    follow_ups = [pair[which] for which in (0, 1) for pair in pairs]
    return questions, follow_ups, [test_set.gold[row] for row in chosen] * 2


def question_cache_figures(test_set: TestSet, encoder: SentenceEncoder, is_quick: bool = False) -> dict[str, float]:
    """Time, retrieved passages and recall that the cache saves or costs on the follow-ups, asked one at a time.

    ``time_saved`` is of the search (rewrite, retrieve, filter by the encoder), the part that the cache can save; with
    ``_unfiltered``, of the search without the filter (left out if quick). ``recall_lost`` is in points. ``new_...`` is
    of 200 questions of the same set that paraphrase no cached question: there the cache can only lose.
    """
    questions, follow_ups, gold = workload(test_set)
    out: dict[str, float] = {}
    for kind, suffix in (("encoder", ""), ("off", "_unfiltered"))[: 1 if is_quick else 2]:
        passes = ask_both_ways(test_set, encoder, questions, follow_ups, {"filter": kind, "top_k": TOP_K})
        out |= {f"{key}{suffix}": value for key, value in compare(*passes, gold).items()}
    known = set(questions)
    rows = [i for i, wanted in enumerate(test_set.gold) if wanted and test_set.questions[i] not in known]
    new = test_set.part([rows[i * len(rows) // NUM_NEW] for i in range(NUM_NEW)])
    lost = compare(*ask_both_ways(test_set, encoder, questions, new.questions, {"top_k": TOP_K}), new.gold)
    return out | {f"new_{key}": lost[key] for key in ("retrievals_saved", "recall_lost")}


def compare(without: FollowUps, with_cache: FollowUps, gold: list[set[str]]) -> dict[str, float]:
    """Shares saved, and points of recall lost, also of the odd-numbered follow-ups alone."""
    lost = np.array(recall(gold, without.documents)) - np.array(recall(gold, with_cache.documents))
    return {
        "time_saved": 1 - sum(with_cache.seconds) / sum(without.seconds),
        "retrievals_saved": 1 - sum(with_cache.num_retrieved) / sum(without.num_retrieved),
        "recall_lost": 100 * float(np.mean(lost)),
        "recall_lost_odd": 100 * float(np.mean(lost[1::2])),
        "recall_without": float(np.mean(recall(gold, without.documents))),
    }


def ask_both_ways(
    test_set: TestSet, encoder: SentenceEncoder, before: Sequence[str], texts: Sequence[str], options: dict[str, Any]
) -> tuple[FollowUps, FollowUps]:
    """Search for each text without the cache and, after the questions ``before``, with it.

    The two ways take turns, text by text, so that other work on the machine slows both of them. Each has its own
    engine, so that neither finds a vector that the other one made.
    """
    engines = [Engine(test_set.library, Config(), encoder=encoder) for _ in range(2)]
    engines[1].components.question_cache().clear()
    passes = (FollowUps([], [], []), FollowUps([], [], []))
    # Without the cache the first question only builds the graph.
    for engine, is_cached, first in zip(engines, (False, True), (before[:1], before), strict=True):
        for text in first:
            engine.search([engine.query(text, question_cache=is_cached, **options)])
    for text in texts:
        for engine, is_cached, way in zip(engines, (False, True), passes, strict=True):
            query = engine.query(text, question_cache=is_cached, **options)
            started = time.perf_counter()
            state = engine.search([query])[0]
            way.seconds.append(time.perf_counter() - started)
            way.num_retrieved.append(state.trace.num_retrieved)
            way.documents.append([scored.passage.doc_id for scored in state.ranking])
    engines[1].components.question_cache().close()
    return passes
