"""Searching a library in PostgreSQL by vectors: pgvector. No index is held in this process."""

from __future__ import annotations

from typing import Any

from pgvector import Vector
from psycopg import Connection, sql

from rag.core.encoding import Vectors
from rag.core.errors import StorageError
from rag.library.postgres.database import PostgresDatabase, get_meta, set_meta

# Up to here an exact scan takes some tens of milliseconds, and no index can miss a neighbour.
EXACT_LIMIT = 20_000
# What an index may hold, and of how many dimensions: half precision takes half of the pages. Servers with a pgvector
# before 0.7 have vectors alone.
_INDEXED = {"halfvec": 4000, "vector": 2000}
# Many short lists: of as many vectors they hold more near ones than few long lists. Memory bounds their number.
_LISTS_PER_ROOT = 4
_MAX_LISTS = 2000
_SAMPLES_PER_LIST = 50
_GROWTH = 4
_NEAREST = """
SELECT q.number, n.* FROM unnest(%s::vector[]) WITH ORDINALITY AS q (vector, number) CROSS JOIN LATERAL (
    SELECT p.id{score} FROM passages p JOIN documents d ON d.id = p.document AND d.is_live
    ORDER BY p.vector{cast} <#> q.vector{cast}{tie} LIMIT %s
) AS n
"""
_FACTS = b"SELECT key, value FROM meta WHERE key IN ('indexed_dimension', 'indexed_as')"
# Left out where it is not needed: for each row the server would fetch the vector, which lies beside the table.
_SCORE = ", -(p.vector <#> q.vector)"


class PgVectorIndex:
    """Nearest passages by pgvector: exact for small libraries, an inverted file for large ones."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def search(self, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each of ``queries`` ``[Q, D]`` at most ``top_k`` (row id, cosine) pairs, best first.

        Ties go by row id.
        """
        nearest: list[list[tuple[int, float]]] = [[] for _ in queries]
        for number, row_id, score in self._nearest(queries, top_k, _SCORE):
            nearest[number - 1].append((int(row_id), float(score)))
        # An index that scans on gives the order of a part of its rows at a time.
        return [sorted(hits, key=lambda hit: (-hit[1], hit[0])) for hits in nearest]

    def candidates(self, queries: Vectors, top_k: int) -> list[list[int]]:
        """Row ids of the same passages, without what only an exact score would say of their order."""
        nearest: list[list[int]] = [[] for _ in queries]
        for number, row_id in self._nearest(queries, top_k, ""):
            nearest[number - 1].append(int(row_id))
        return nearest

    def _nearest(self, queries: Vectors, top_k: int, score: str) -> list[tuple[Any, ...]]:
        facts = dict(
            self._database.read(b"SELECT key, value FROM meta WHERE key IN ('indexed_dimension', 'indexed_as')")
        )
        dimension, kind = int(facts.get("indexed_dimension", 0)), facts.get("indexed_as", "vector")
        if kind not in _INDEXED:
            raise StorageError(f"an index of {kind!r}: this version of Concord knows {', '.join(_INDEXED)}")
        statement = sql.SQL(_NEAREST).format(
            score=sql.SQL(score),
            cast=sql.SQL(f"::{kind}({dimension})" if dimension else ""),
            tie=sql.SQL("" if dimension else ", p.id"),
        )
        return self._database.read(statement, [Vector(query) for query in queries], top_k)

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
    has_half = db.execute("SELECT to_regtype('halfvec')").fetchone() != (None,)
    kind = "halfvec" if has_half else "vector"
    is_short = 0 < dimension <= _INDEXED[kind]
    set_meta(db, "indexed_dimension", str(dimension if is_short else 0))
    set_meta(db, "indexed_as", kind)
    set_meta(db, "indexed_passages", str(size))
    if is_short:
        num_lists = min(max(round(_LISTS_PER_ROOT * size**0.5), 1), _MAX_LISTS)
        db.execute(f"SET LOCAL maintenance_work_mem = '{training_mib(num_lists, size, dimension)}MB'")
        db.execute(
            f"CREATE INDEX passages_by_vector ON passages USING ivfflat ((vector::{kind}({dimension})) {kind}_ip_ops) "
            f"WITH (lists = {num_lists})"
        )


def training_mib(num_lists: int, num_passages: int, dimension: int) -> int:
    """Memory with which pgvector divides vectors into lists, and a reserve; it refuses to begin with less.

    It holds a sample of the vectors, and for each of them a bound of its distance to every list.

    Source: k-means after Elkan (2003), as pgvector has it.
    """
    num_samples = min(_SAMPLES_PER_LIST * num_lists, max(num_passages, 10_000))
    floats = num_samples * (num_lists + dimension + 3) + num_lists * (num_lists + 3 * dimension)
    return 64 + round(1.1 * 4 * floats / 2**20)


def drop_index(db: Connection[Any]) -> None:
    """Drop the index: another encoder may follow, with vectors of another length."""
    db.execute("DROP INDEX IF EXISTS passages_by_vector")
    db.execute("DELETE FROM meta WHERE key IN ('indexed_dimension', 'indexed_as', 'indexed_passages')")
