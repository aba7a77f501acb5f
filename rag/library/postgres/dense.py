"""Searching a library in PostgreSQL by vectors: pgvector. No index is held in this process."""

from __future__ import annotations

from typing import Any

from pgvector import Vector
from psycopg import Connection, sql

from rag.core.encoding import Vectors
from rag.library.postgres.database import PostgresDatabase, get_meta, set_meta

# Up to here an exact scan takes some tens of milliseconds, and no index can miss a neighbour.
EXACT_LIMIT = 20_000
# pgvector indexes vectors of at most this many dimensions.
_MAX_INDEXED_DIMENSION = 2000
_MAX_LISTS = 4096
_GROWTH = 4
_NEAREST = """
SELECT q.number, n.id, n.score FROM unnest(%s::vector[]) WITH ORDINALITY AS q (vector, number) CROSS JOIN LATERAL (
    SELECT p.id, -(p.vector{cast} <#> q.vector{cast}) AS score
    FROM passages p JOIN documents d ON d.id = p.document AND d.is_live
    ORDER BY p.vector{cast} <#> q.vector{cast}{tie} LIMIT %s
) AS n
"""


class PgVectorIndex:
    """Nearest passages by pgvector: exact for small libraries, an inverted file for large ones."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def search(self, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each of ``queries`` ``[Q, D]`` at most ``top_k`` (row id, cosine) pairs, best first.

        Ties go by row id.
        """
        facts = self._database.read(b"SELECT value FROM meta WHERE key = 'indexed_dimension'")
        dimension = int(facts[0][0]) if facts else 0
        statement = sql.SQL(_NEAREST).format(
            cast=sql.SQL(f"::vector({dimension})" if dimension else ""),
            tie=sql.SQL("" if dimension else ", p.id"),
        )
        nearest: list[list[tuple[int, float]]] = [[] for _ in queries]
        for number, row_id, score in self._database.read(statement, [Vector(query) for query in queries], top_k):
            nearest[number - 1].append((int(row_id), float(score)))
        # An index that scans on gives the order of a part of its rows at a time.
        return [sorted(hits, key=lambda hit: (-hit[1], hit[0])) for hits in nearest]

    def candidates(self, queries: Vectors, top_k: int) -> list[list[int]]:
        """Row ids of the same passages; the server has the vectors."""
        return [[row_id for row_id, _ in hits] for hits in self.search(queries, top_k)]

    def build_if_large(self, num_passages: int) -> None:
        """Build the index once a scan of all vectors has become slow; the server keeps it up to date.

        Its lists are those of the passages that there were. It is built anew when there are several times as many.
        """
        with self._database.transaction() as db:
            indexed = int(get_meta(db, "indexed_passages") or 0)
            if num_passages > max(EXACT_LIMIT, _GROWTH * indexed):
                drop_index(db)
                build_index(db)
                db.execute("ANALYZE passages, documents, graph_entries, graph_names, word_blocks")


def build_index(db: Connection[Any]) -> None:
    """Build the index over all vectors, unless they are too long for one, and note its dimension and size.

    An inverted file, not HNSW: where passages have many near copies, as editions of one text, HNSW's links stay among
    the copies. It then missed some of the nearest passages of a question, whatever its settings for searching.
    """
    row = db.execute("SELECT vector_dims(vector), (SELECT count(*) FROM passages) FROM passages LIMIT 1").fetchone()
    dimension, size = map(int, row or (0, 0))
    is_short = 0 < dimension <= _MAX_INDEXED_DIMENSION
    set_meta(db, "indexed_dimension", str(dimension if is_short else 0))
    set_meta(db, "indexed_passages", str(size))
    if is_short:
        num_lists = min(max(round(2 * size**0.5), 1), _MAX_LISTS)
        db.execute("SET LOCAL maintenance_work_mem = '512MB'")
        db.execute(
            f"CREATE INDEX passages_by_vector ON passages USING ivfflat ((vector::vector({dimension})) vector_ip_ops) "
            f"WITH (lists = {num_lists})"
        )


def drop_index(db: Connection[Any]) -> None:
    """Drop the index: another encoder may follow, with vectors of another length."""
    db.execute("DROP INDEX IF EXISTS passages_by_vector")
    db.execute("DELETE FROM meta WHERE key IN ('indexed_dimension', 'indexed_passages')")
