"""Searching a library in PostgreSQL by words: BM25 over its full-text index.

PostgreSQL's own ``ts_rank`` knows no document frequency, so BM25 is computed here, from the term positions that the
full-text index keeps. Words, stems and formula are those of SQLite's FTS5, and so are the scores.
"""

from __future__ import annotations

import re
from typing import Any

from psycopg import Connection

_K1, _B = 1.2, 0.75
_MIN_IDF = 1e-6

_BM25 = f"""
WITH terms AS (
    SELECT lexeme FROM unnest(tsvector_to_array(to_words(%(words)s))) AS lexeme
), query AS (
    SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS any_of FROM terms
), corpus AS (
    SELECT max(value::float8) FILTER (WHERE key = 'num_passages') AS num_passages,
        max(value::float8) FILTER (WHERE key = 'num_words') AS num_words FROM meta
), hits AS MATERIALIZED (
    SELECT p.id, p.num_words, w.lexeme, cardinality(w.positions)::float8 AS frequency
    FROM query, passages p JOIN documents d ON d.id = p.document AND d.is_live, unnest(p.words) AS w
    WHERE p.words @@ query.any_of AND w.lexeme IN (SELECT lexeme FROM terms)
), weights AS (
    SELECT lexeme,
        greatest(ln((max(num_passages) - count(*) + 0.5) / (count(*) + 0.5)), {_MIN_IDF}) AS idf,
        max(corpus.num_words / num_passages) AS mean_words
    FROM hits, corpus GROUP BY lexeme
)
SELECT id, sum(
    idf * frequency * ({_K1} + 1) / (frequency + {_K1} * (1 - {_B} + {_B} * num_words / mean_words)) ORDER BY lexeme
) AS score
FROM hits JOIN weights USING (lexeme) GROUP BY id ORDER BY score DESC, id LIMIT %(top_k)s
"""


def bm25(db: Connection[Any], expression: str, top_k: int) -> list[tuple[int, float]]:
    """Row ids and scores of the best passages for quoted words joined by OR.

    Source: Robertson and Zaragoza (2009), with FTS5's idf ``ln((N - n + 0.5) / (n + 0.5))``, at least 1e-6.
    """
    words = " ".join(re.findall(r'"([^"]*)"', expression))
    rows = db.execute(_BM25, {"words": words, "top_k": top_k}).fetchall()
    return [(int(row_id), float(score)) for row_id, score in rows]
