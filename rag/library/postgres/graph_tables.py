"""The graph's index (:mod:`rag.library.graph_index`) as tables of a library's schema in PostgreSQL.

The tables and the note of completeness are those of a library in a folder (:mod:`rag.library.sqlite.graph_tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from psycopg import Connection

from rag.library.graph_index import GraphTables, IndexChange, Pairs
from rag.library.postgres.database import LIVE, PostgresDatabase, get_meta, set_meta

STAMP = "graph_index"
_BATCH = 5000
Transaction = Callable[[], AbstractContextManager[Connection[Any]]]


class PostgresGraphTables(GraphTables):
    """Reads and writes the tables; ``writing`` opens a transaction that may change the library."""

    def __init__(self, database: PostgresDatabase, writing: Transaction) -> None:
        self._database = database
        self._writing = writing

    def is_complete(self, version: str) -> bool:
        """Whether every live passage has an entry of this version; costs the same at any size."""
        facts = dict(self._rows("SELECT key, value FROM meta WHERE key = ANY(%s)", [STAMP, "generation"]))
        return facts.get(STAMP) == f"{version} {facts.get('generation', 0)}"

    def missing(self, version: str) -> list[int]:
        """Row ids of live passages without an entry of this version. Reads the ids of the whole library."""
        with self._database.snapshot() as db:
            return _missing(db, version)

    def keep(self, version: str, entries: Mapping[int, bytes]) -> None:
        """Index live passages, in one transaction; those that are gone or have an entry of this version stay so."""
        statement = (
            f"SELECT p.id FROM {LIVE} LEFT JOIN graph_entries g ON g.passage = p.id AND g.version = %s "
            "WHERE p.id = ANY(%s) AND g.passage IS NULL ORDER BY p.id"
        )
        with self._writing() as db:
            db.execute("LOCK TABLE graph_entries IN SHARE ROW EXCLUSIVE MODE")  # two at once would count twice
            new = [row[0] for row in db.execute(statement, (version, list(entries))).fetchall()]
            unlist(db, new)
            keep_entries(db, version, ((row_id, entries[row_id]) for row_id in new))
            enlist(db, new)

    def complete(self, version: str) -> None:
        """Note that no live passage lacks an entry of this version, if that is so."""
        with self._writing() as db:
            # Locked, so that no publication comes between the two.
            db.execute("SELECT 1 FROM meta WHERE key = 'generation' FOR UPDATE")
            if not _missing(db, version):
                set_meta(db, STAMP, _stamp(db, version))

    def entries(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Entries of passages by row id; those that are gone or have none are left out."""
        return dict(self._rows("SELECT passage, body FROM graph_entries WHERE passage = ANY(%s)", list(ids)))

    def postings(self, keys: Sequence[int], limit: int) -> Pairs:
        """(key, row id) of the passages under each key, at most ``limit`` of one key, lowest row ids first."""
        statement = (
            "SELECT j.key, n.passage FROM unnest(%s::bigint[]) AS j (key) CROSS JOIN LATERAL "
            "(SELECT passage FROM graph_names WHERE key = j.key ORDER BY passage LIMIT %s) AS n"
        )
        return self._rows(statement, list(keys), limit)

    def counts(self, keys: Sequence[int], limit: int) -> dict[int, int]:
        """Number of passages under each key, counted up to ``limit``; keys without one are left out."""
        statement = (
            "SELECT j.key, n.number FROM unnest(%s::bigint[]) AS j (key) CROSS JOIN LATERAL (SELECT count(*) AS number "
            "FROM (SELECT 1 FROM graph_names WHERE key = j.key LIMIT %s) AS c) AS n WHERE n.number > 0"
        )
        return dict(self._rows(statement, list(keys), limit))

    def word_counts(self, words: Sequence[int]) -> dict[int, int]:
        """Number of passages with each word; words without one are left out."""
        return dict(self._rows("SELECT word, count FROM graph_words WHERE word = ANY(%s)", list(words)))

    def _rows(self, statement: str, *values: object) -> list[Any]:
        return self._database.read(statement.encode(), *values)


def keep_entries(db: Connection[Any], version: str, entries: Iterable[tuple[int, bytes]]) -> None:
    """Keep entries with their passages; a staged one is found by nobody."""
    db.cursor().executemany(
        "INSERT INTO graph_entries (passage, version, body) VALUES (%s, %s, %s)",
        [(row_id, version, body) for row_id, body in entries],
    )


def enlist(db: Connection[Any], ids: Sequence[int]) -> None:
    """List passages under the names of their entries, and count their words."""
    for change in _changes(db, ids):
        db.execute(
            "INSERT INTO graph_names (key, passage) SELECT * FROM unnest(%s::bigint[], %s::bigint[]) "
            "ON CONFLICT DO NOTHING",
            _columns(change.postings),
        )
        db.execute(
            "INSERT INTO graph_words (word, count) SELECT * FROM unnest(%s::bigint[], %s::bigint[]) "
            "ON CONFLICT (word) DO UPDATE SET count = graph_words.count + excluded.count",
            _columns(change.words),
        )


def unlist(db: Connection[Any], ids: Sequence[int]) -> None:
    """The reverse of :func:`enlist`, for live passages; their entries go too."""
    for change in _changes(db, ids):
        db.execute(
            "DELETE FROM graph_names n USING unnest(%s::bigint[], %s::bigint[]) AS c (key, passage) "
            "WHERE n.key = c.key AND n.passage = c.passage",
            _columns(change.postings),
        )
        db.execute(
            "UPDATE graph_words w SET count = w.count - c.count "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS c (word, count) WHERE w.word = c.word",
            _columns(change.words),
        )
        db.execute("DELETE FROM graph_words WHERE word = ANY(%s) AND count <= 0", (_columns(change.words)[0],))
    db.execute("DELETE FROM graph_entries WHERE passage = ANY(%s)", (list(ids),))


def is_current(db: Connection[Any]) -> bool:
    """Whether the index was complete until now; asked before a transaction changes what is live."""
    stamp = get_meta(db, STAMP)
    if stamp is not None:
        return stamp == _stamp(db, stamp.partition(" ")[0])
    return db.execute("SELECT 1 FROM documents WHERE is_live LIMIT 1").fetchone() is None


def follow(db: Connection[Any], new_ids: Sequence[int]) -> None:
    """Carry the note of completeness to the present generation, if the new passages have entries of its version."""
    statement = (
        "SELECT DISTINCT g.version FROM unnest(%s::bigint[]) AS j (id) LEFT JOIN graph_entries g ON g.passage = j.id"
    )
    versions = {row[0] for row in db.execute(statement, (list(new_ids),)).fetchall()}
    stamp = get_meta(db, STAMP)
    if stamp is not None:
        versions.add(stamp.partition(" ")[0])
    if len(versions) == 1 and (version := versions.pop()) is not None:
        set_meta(db, STAMP, _stamp(db, version))


def _stamp(db: Connection[Any], version: str) -> str:
    return f"{version} {get_meta(db, 'generation') or 0}"


def _missing(db: Connection[Any], version: str) -> list[int]:
    statement = (
        f"SELECT p.id FROM {LIVE} LEFT JOIN graph_entries g ON g.passage = p.id AND g.version = %s "
        "WHERE g.passage IS NULL ORDER BY p.id"
    )
    return [row[0] for row in db.execute(statement, (version,)).fetchall()]


def _changes(db: Connection[Any], ids: Sequence[int]) -> Iterator[IndexChange]:
    for first in range(0, len(ids), _BATCH):
        statement = "SELECT passage, body FROM graph_entries WHERE passage = ANY(%s)"
        yield IndexChange.of(db.execute(statement, (list(ids[first : first + _BATCH]),)).fetchall())


def _columns(pairs: Pairs) -> tuple[list[int], list[int]]:
    return [first for first, _ in pairs], [second for _, second in pairs]
