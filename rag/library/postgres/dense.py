"""Searching a library in PostgreSQL by vectors: pgvector. No index is held in this process."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from rag.core.encoding import Vectors
from rag.library.postgres.database import PostgresDatabase, get_meta, set_meta

# Up to here an exact scan takes some tens of milliseconds, and no index can miss a neighbour.
EXACT_LIMIT = 20_000
# pgvector indexes vectors of at most this many dimensions.
_MAX_INDEXED_DIMENSION = 2000
_EF_SEARCH = 200
_NEAREST = """
SELECT p.id, -(p.vector{cast} <#> %(query)s{cast}) FROM passages p JOIN documents d ON d.id = p.document AND d.is_live
ORDER BY p.vector{cast} <#> %(query)s{cast}{tie} LIMIT %(top_k)s
"""


class PgVectorIndex:
    """Nearest passages by pgvector: exact for small libraries, HNSW for large ones."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def search(self, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each of ``queries`` ``[Q, D]`` at most ``top_k`` (row id, cosine) pairs, best first.

        Ties go by row id where there is no HNSW index.
        """
        with self._database.snapshot() as db:
            dimension = int(get_meta(db, "indexed_dimension") or 0)
            return [_nearest(db, query, top_k, dimension) for query in queries]

    def candidates(self, queries: Vectors, top_k: int) -> list[list[int]]:
        """Row ids of the same passages; the server has the vectors."""
        return [[row_id for row_id, _ in hits] for hits in self.search(queries, top_k)]

    def build_if_large(self, num_passages: int) -> None:
        """Build the HNSW index once a scan of all vectors has become slow; the server keeps it up to date."""
        with self._database.transaction() as db:
            if num_passages > EXACT_LIMIT and not get_meta(db, "indexed_dimension"):
                set_meta(db, "indexed_dimension", str(build_hnsw(db)))


def build_hnsw(db: Connection[Any]) -> int:
    """Build the index over all vectors, unless they are too long for one; their dimension, or 0."""
    row = db.execute("SELECT vector_dims(vector) FROM passages LIMIT 1").fetchone()
    dimension = int(row[0]) if row else 0
    if not 0 < dimension <= _MAX_INDEXED_DIMENSION:
        return 0
    db.execute("SET LOCAL maintenance_work_mem = '512MB'")
    db.execute(f"CREATE INDEX passages_by_vector ON passages USING hnsw ((vector::vector({dimension})) vector_ip_ops)")
    return dimension


def drop_hnsw(db: Connection[Any]) -> None:
    """Drop the index: another encoder may follow, with vectors of another length."""
    db.execute("DROP INDEX IF EXISTS passages_by_vector")
    db.execute("DELETE FROM meta WHERE key = 'indexed_dimension'")


def _nearest(db: Connection[Any], query: Vectors, top_k: int, indexed_dimension: int) -> list[tuple[int, float]]:
    """Row ids and inner products with a query ``[D]``, best first."""
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
