"""Searching a library in PostgreSQL: BM25 over its full-text index, nearest vectors by pgvector.

PostgreSQL's own ``ts_rank`` knows no document frequency, so BM25 is computed here, from the term positions that the
full-text index keeps: the same words, stems and formula as SQLite's FTS5, and therefore the same scores.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

# Up to here an exact scan takes some tens of milliseconds, and no index can miss a neighbour.
EXACT_LIMIT = 20_000
# pgvector indexes vectors of at most this many dimensions.
_MAX_INDEXED_DIMENSION = 2000
_EF_SEARCH = 200
_K1, _B = 1.2, 0.75
_MIN_IDF = 1e-6

BM25 = f"""
WITH terms AS (
    SELECT lexeme FROM unnest(tsvector_to_array(to_tsvector('words', %(words)s))) AS lexeme
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
_NEAREST = """
SELECT p.id, -(p.vector{cast} <#> %(query)s{cast}) FROM passages p JOIN documents d ON d.id = p.document AND d.is_live
ORDER BY p.vector{cast} <#> %(query)s{cast}{tie} LIMIT %(top_k)s
"""


def words_of(text: str) -> list[str]:
    """The words that the sparse index sees: runs of letters and digits, lower case, without accents."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", folded)


def bm25(db: Connection[Any], expression: str, top_k: int) -> list[tuple[int, float]]:
    """Row ids and scores of the best passages for quoted words joined by OR.

    Source: Robertson and Zaragoza (2009), with FTS5's idf ``ln((N - n + 0.5) / (n + 0.5))``, at least 1e-6.
    """
    words = " ".join(word for quoted in re.findall(r'"([^"]*)"', expression) for word in words_of(quoted))
    rows = db.execute(BM25, {"words": words, "top_k": top_k}).fetchall()
    return [(int(row_id), float(score)) for row_id, score in rows]


def nearest(
    db: Connection[Any], query: NDArray[np.float32], top_k: int, indexed_dimension: int
) -> list[tuple[int, float]]:
    """Row ids and inner products with a query ``[D]``, best first; exact, ties by row id, where there is no index."""
    if indexed_dimension:
        # Without it an index stops after ef_search rows, staged ones among them.
        db.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        db.execute(f"SET LOCAL hnsw.ef_search = {min(max(_EF_SEARCH, 2 * top_k), 1000)}")
    statement = sql.SQL(_NEAREST).format(
        cast=sql.SQL(f"::vector({indexed_dimension})" if indexed_dimension else ""),
        tie=sql.SQL("" if indexed_dimension else ", p.id"),
    )
    rows = db.execute(statement, {"query": query, "top_k": top_k}).fetchall()
    return [(int(row_id), float(score)) for row_id, score in rows]


def index_vectors(db: Connection[Any]) -> int:
    """Make the index over all vectors, unless they are too long for one; their dimension, or 0."""
    row = db.execute("SELECT vector_dims(vector) FROM passages LIMIT 1").fetchone()
    dimension = int(row[0]) if row else 0
    if not 0 < dimension <= _MAX_INDEXED_DIMENSION:
        return 0
    db.execute("SET LOCAL maintenance_work_mem = '512MB'")
    db.execute(f"CREATE INDEX passages_by_vector ON passages USING hnsw ((vector::vector({dimension})) vector_ip_ops)")
    return dimension
