"""Searching a library in PostgreSQL by words: BM25 over the lists of its words.

PostgreSQL's own ``ts_rank`` knows no document frequency, so BM25 is computed here, from the lists of the question's
words (:mod:`rag.library.postgres.word_lists`). Words, stems and formula are those of SQLite's FTS5, and so are the
scores. The server sends 14 bytes for each passage with a word of the question.

Shapes: N postings, P passages.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.library.postgres.database import PostgresDatabase
from rag.library.postgres.word_lists import Postings, read_postings

_K1, _B = 1.2, 0.75
_MIN_IDF = 1e-6
_LISTS = b"""
SELECT cardinality(t.positions), b.word, b.body FROM unnest(to_words(%s)) AS t
JOIN word_blocks b ON b.word = t.lexeme
UNION ALL SELECT 0, key, convert_to(value, 'UTF8') FROM meta WHERE key IN ('num_passages', 'num_words')
"""


def bm25(database: PostgresDatabase, expression: str, top_k: int) -> list[tuple[int, float]]:
    """Row ids and scores of the best passages for quoted words joined by OR; ties go by row id.

    Two words of one stem count twice, as in FTS5.

    Source: Robertson and Zaragoza (2009), with FTS5's idf ``ln((N - n + 0.5) / (n + 0.5))``, at least 1e-6.
    """
    words = " ".join(re.findall(r'"([^"]*)"', expression))
    lists: dict[str, list[bytes]] = {}
    totals: dict[str, int] = {}
    repeats: dict[str, int] = {}
    for number, name, body in database.read(_LISTS, words):
        if number:
            lists.setdefault(name, []).append(body)
            repeats[name] = number
        else:
            totals[name] = int(body)
    if not lists:
        return []
    num_passages, mean_words = totals["num_passages"], totals["num_words"] / max(totals["num_passages"], 1)
    postings = {word: read_postings(lists[word]) for word in sorted(lists)}
    scores = [repeats[word] * _contributions(part, num_passages, mean_words) for word, part in postings.items()]
    return _best(np.concatenate([part["passage"] for part in postings.values()]), np.concatenate(scores), top_k)


def _contributions(postings: Postings, num_passages: int, mean_words: float) -> NDArray[np.float64]:
    """``[N]``, what one word adds to the score of each passage that has it."""
    idf = max(float(np.log((num_passages - len(postings) + 0.5) / (len(postings) + 0.5))), _MIN_IDF)
    frequency = postings["frequency"].astype(np.float64)
    length = 1 - _B + _B * postings["num_words"] / mean_words
    contributions: NDArray[np.float64] = idf * frequency * (_K1 + 1) / (frequency + _K1 * length)
    return contributions


def _best(passages: NDArray[Any], scores: NDArray[np.float64], top_k: int) -> list[tuple[int, float]]:
    """The ``top_k`` best by the sum of their scores."""
    ids, rows = np.unique(passages.astype(np.int64), return_inverse=True)
    sums = np.bincount(rows, weights=scores)
    top_k = min(top_k, len(ids))
    if top_k <= 0:
        return []
    likely = np.flatnonzero(sums >= np.partition(sums, -top_k)[-top_k])
    order = likely[np.lexsort((ids[likely], -sums[likely]))][:top_k]
    return [(int(ids[row]), float(sums[row])) for row in order]
