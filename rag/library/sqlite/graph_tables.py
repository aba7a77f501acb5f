"""The graph's index (:mod:`rag.library.graph_index`) as tables of a library's SQLite file.

graph_entries: one per passage, staged ones included. graph_names and graph_words: what follows from those of live
passages. ``meta.graph_index`` says for which version and generation they are complete.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rag.library.graph_index import GraphTables, IndexChange, Pairs
from rag.library.sqlite.database import Database, get_meta, set_meta
from rag.library.sqlite.layout import LIVE

STAMP = "graph_index"
_BATCH = 5000
_VALUES = "SELECT value FROM json_each(?)"


class SqliteGraphTables(GraphTables):
    """Reads and writes the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_complete(self, version: str) -> bool:
        """Whether every live passage has an entry of this version; costs the same at any size."""
        with self._database.reading() as db:
            return get_meta(db, STAMP) == _stamp(db, version)

    def missing(self, version: str) -> list[int]:
        """Row ids of live passages without an entry of this version. Reads the ids of the whole library."""
        with self._database.reading() as db:
            return _missing(db, version)

    def keep(self, version: str, entries: Mapping[int, bytes]) -> None:
        """Index live passages, in one transaction; those that are gone or have an entry of this version stay so."""
        with self._database.writing() as db:
            ids = json.dumps(list(entries))
            sql = (
                f"SELECT p.id FROM {LIVE} LEFT JOIN graph_entries g ON g.passage = p.id AND g.version = ? "
                f"WHERE p.id IN ({_VALUES}) AND g.passage IS NULL"
            )
            new = [row_id for (row_id,) in db.execute(sql, (version, ids))]
            unlist(db, new)
            keep_entries(db, version, ((row_id, entries[row_id]) for row_id in new))
            enlist(db, new)

    def complete(self, version: str) -> None:
        """Note that no live passage lacks an entry of this version, if that is so."""
        with self._database.writing() as db:
            if not _missing(db, version):
                set_meta(db, STAMP, _stamp(db, version))

    def entries(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Entries of passages by row id; those that are gone or have none are left out."""
        sql = f"SELECT passage, body FROM graph_entries WHERE passage IN ({_VALUES})"
        return dict(self._rows(sql, json.dumps(list(ids))))

    def postings(self, keys: Sequence[int], limit: int) -> Pairs:
        """(key, row id) of the passages under each key, at most ``limit`` of one key, lowest row ids first."""
        sql = (
            f"SELECT n.key, n.passage FROM ({_VALUES}) j CROSS JOIN graph_names n ON n.key = j.value "
            "AND n.passage IN (SELECT m.passage FROM graph_names m WHERE m.key = j.value ORDER BY m.passage LIMIT ?)"
        )
        return self._rows(sql, json.dumps(list(keys)), limit)

    def counts(self, keys: Sequence[int], limit: int) -> dict[int, int]:
        """Number of passages under each key, counted up to ``limit``; keys without one are left out."""
        count = "SELECT count(*) FROM (SELECT 1 FROM graph_names n WHERE n.key = j.value LIMIT ?)"
        rows = self._rows(f"SELECT value, ({count}) FROM json_each(?) j", limit, json.dumps(list(keys)))
        return {key: number for key, number in rows if number}

    def word_counts(self, words: Sequence[int]) -> dict[int, int]:
        """Number of passages with each word; words without one are left out."""
        return dict(
            self._rows(f"SELECT word, count FROM graph_words WHERE word IN ({_VALUES})", json.dumps(list(words)))
        )

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._database.reading() as db:
            return db.execute(sql, values).fetchall()


def keep_entries(db: sqlite3.Connection, version: str, entries: Iterable[tuple[int, bytes]]) -> None:
    """Keep entries with their passages; a staged one is found by nobody."""
    rows = ((row_id, version, body) for row_id, body in entries)
    db.executemany("INSERT OR REPLACE INTO graph_entries (passage, version, body) VALUES (?, ?, ?)", rows)


def enlist(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    """List passages under the names of their entries, and count their words."""
    for change in _changes(db, ids):
        db.executemany("INSERT OR IGNORE INTO graph_names (key, passage) VALUES (?, ?)", change.postings)
        db.executemany(
            "INSERT INTO graph_words (word, count) VALUES (?, ?) "
            "ON CONFLICT (word) DO UPDATE SET count = count + excluded.count",
            change.words,
        )


def unlist(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    """The reverse of :func:`enlist`, for live passages; their entries go too."""
    for change in _changes(db, ids):
        db.executemany("DELETE FROM graph_names WHERE key = ? AND passage = ?", change.postings)
        counts = [(number, word) for word, number in change.words]
        db.executemany("UPDATE graph_words SET count = count - ? WHERE word = ?", counts)
        db.executemany("DELETE FROM graph_words WHERE word = ? AND count <= 0", ((word,) for _, word in counts))
    db.executemany("DELETE FROM graph_entries WHERE passage = ?", ((row_id,) for row_id in ids))


def is_current(db: sqlite3.Connection) -> bool:
    """Whether the index was complete until now; asked before a transaction changes what is live."""
    stamp = get_meta(db, STAMP)
    if stamp is not None:
        return stamp == _stamp(db, stamp.partition(" ")[0])
    return db.execute("SELECT 1 FROM documents WHERE is_live LIMIT 1").fetchone() is None


def follow(db: sqlite3.Connection, new_ids: Sequence[int]) -> None:
    """Carry the note of completeness to the present generation, if the new passages have entries of its version."""
    versions: set[str | None] = set()
    for first in range(0, len(new_ids), _BATCH):
        ids = json.dumps(list(new_ids[first : first + _BATCH]))
        sql = f"SELECT DISTINCT g.version FROM ({_VALUES}) j LEFT JOIN graph_entries g ON g.passage = j.value"
        versions.update(version for (version,) in db.execute(sql, (ids,)))
    stamp = get_meta(db, STAMP)
    if stamp is not None:
        versions.add(stamp.partition(" ")[0])
    if len(versions) == 1 and (version := versions.pop()) is not None:
        set_meta(db, STAMP, _stamp(db, version))


def _stamp(db: sqlite3.Connection, version: str) -> str:
    return f"{version} {get_meta(db, 'generation') or 0}"


def _missing(db: sqlite3.Connection, version: str) -> list[int]:
    sql = (
        f"SELECT p.id FROM {LIVE} LEFT JOIN graph_entries g ON g.passage = p.id AND g.version = ? "
        "WHERE g.passage IS NULL ORDER BY p.id"
    )
    return [row_id for (row_id,) in db.execute(sql, (version,))]


def _changes(db: sqlite3.Connection, ids: Sequence[int]) -> Iterator[IndexChange]:
    for first in range(0, len(ids), _BATCH):
        batch = json.dumps(list(ids[first : first + _BATCH]))
        yield IndexChange.of(
            db.execute(f"SELECT passage, body FROM graph_entries WHERE passage IN ({_VALUES})", (batch,))
        )
