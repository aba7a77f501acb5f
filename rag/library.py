"""A library on disk: documents, passages, vectors and the sparse index in one SQLite file.

Crash safety. Documents are staged (invisible) in small transactions as they are read and embedded, then one
transaction publishes all of them and retires what they replace. A kill before it leaves the previous state, a kill
after it the new one, and what was staged is used by the next ``add`` instead of being embedded again. Everything
else on disk (the FAISS file) is derived and carries the generation it was made from.

    documents (is_live)  1 --- *  passages (text, vector)  1 --- 1  passages_fts (live passages only)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from rag.errors import LibraryError, StorageError
from rag.types import DocumentInfo, Passage

_FILE = "library.sqlite3"
_SCHEMA_VERSION = "1"
_LOCK_TIMEOUT_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    doc_id TEXT NOT NULL,
    source TEXT NOT NULL,
    title TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    size_chars INTEGER NOT NULL,
    added_at TEXT NOT NULL,
    is_live INTEGER NOT NULL,
    UNIQUE (doc_id, is_live)
);
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS passages_by_document ON passages (document);
CREATE VIRTUAL TABLE IF NOT EXISTS passages_fts USING fts5 (title, text, tokenize = 'porter unicode61');
"""
_LIVE = "passages p JOIN documents d ON d.id = p.document AND d.is_live"

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Staged:
    """A document ready to be staged; ``vectors`` has one row per passage."""

    doc_id: str
    source: str
    title: str
    content_hash: str
    size_chars: int
    passages: Sequence[Passage]
    vectors: Vectors


class Library:
    """Reads and writes one library folder. Safe for threads of one process and for several processes."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._db = connection
        self._mutex = RLock()
        self._writer = FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT_S)

    @classmethod
    def open(cls, folder: str | Path, *, must_exist: bool = False) -> Library:
        """Open the library in ``folder``, making it on first use.

        Raises:
            LibraryError: it does not exist although it must, or the path is no folder.
            StorageError: its file is damaged or of another version.
        """
        folder = Path(folder).expanduser()
        if folder.exists() and not folder.is_dir():
            raise LibraryError(f"{folder} is a file; a library is a folder")
        if must_exist and not (folder / _FILE).is_file():
            raise LibraryError(f"there is no library at {folder}; make one with: concord add {folder} PATH...")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(f"cannot make a library at {folder}: {error.strerror}") from error
        try:
            return cls(folder, _connect(folder / _FILE))
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"{folder / _FILE} is damaged ({error}); restore it from a backup, or remove it and add the documents "
                "again"
            ) from error

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        with self._mutex:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the one writer's place of this library, across processes.

        Raises:
            StorageError: another process kept it for a minute.
        """
        try:
            with self._writer:
                yield
        except Timeout:
            raise StorageError(f"another process is writing to {self.folder}; try again when it is done") from None

    @property
    def generation(self) -> int:
        """Counts publications; derived files are stamped with it."""
        return int(self._meta("generation") or 0)

    @property
    def encoder(self) -> str | None:
        """Name of the encoder whose vectors the library holds; ``None`` while it is empty."""
        return self._meta("encoder")

    def check_encoder(self, name: str) -> None:
        """Raise :class:`LibraryError` when the library holds vectors of another encoder than ``name``."""
        if self.encoder not in (None, name):
            raise LibraryError(
                f"the library at {self.folder} was made with encoder {self.encoder!r}, not {name!r}; "
                "use that encoder, or add the documents to a new library"
            )

    @property
    def num_passages(self) -> int:
        """Live passages."""
        return int(self._rows(f"SELECT count(*) FROM {_LIVE}")[0][0])

    def documents(self) -> list[DocumentInfo]:
        """All live documents, by source."""
        rows = self._rows(
            "SELECT d.doc_id, d.source, d.title, count(p.id), d.size_chars, d.added_at FROM documents d "
            "LEFT JOIN passages p ON p.document = d.id WHERE d.is_live GROUP BY d.id ORDER BY d.source"
        )
        return [DocumentInfo(*row) for row in rows]

    def hashes(self, *, is_live: bool) -> dict[str, str]:
        """Content hash of every live, or every staged, document by doc_id."""
        return dict(self._rows("SELECT doc_id, content_hash FROM documents WHERE is_live = ?", int(is_live)))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The live passages with these row ids, in this order; ids that are gone are left out."""
        found: dict[int, Passage] = {}
        for first in range(0, len(ids), 500):
            some = ids[first : first + 500]
            marks = ",".join("?" * len(some))
            rows = self._rows(
                f"SELECT p.id, d.doc_id, p.ordinal, d.source, d.title, p.text, p.start FROM {_LIVE} "
                f"WHERE p.id IN ({marks})",
                *some,
            )
            for row_id, doc_id, ordinal, source, title, text, start in rows:
                found[row_id] = Passage(f"{doc_id}:{ordinal}", doc_id, source, title, text, start)
        return {row_id: found[row_id] for row_id in ids if row_id in found}

    def passages_of(self, doc_id: str) -> list[Passage]:
        """The passages of one live document, in order; empty when there is none."""
        rows = self._rows(f"SELECT p.id FROM {_LIVE} WHERE d.doc_id = ? ORDER BY p.ordinal", doc_id)
        return list(self.passages([row[0] for row in rows]).values())

    def vector_of(self, passage_id: str) -> NDArray[np.float32] | None:
        """The vector of one live passage ``[D]``; ``None`` when there is none."""
        doc_id, _, ordinal = passage_id.rpartition(":")
        sql = f"SELECT p.vector FROM {_LIVE} WHERE d.doc_id = ? AND p.ordinal = ?"
        rows = self._rows(sql, doc_id, int(ordinal) if ordinal.isdigit() else -1)
        return np.frombuffer(rows[0][0], dtype=np.float32) if rows else None

    def vectors(self) -> tuple[NDArray[np.int64], Vectors, int]:
        """Row ids ``[N]`` and vectors ``[N, D]`` of all live passages, and the generation they belong to."""
        with self._mutex, self._transaction("DEFERRED"):
            generation = self.generation
            rows = self._rows(f"SELECT p.id, p.vector FROM {_LIVE} ORDER BY p.id")
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        matrix = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.float32)
        return ids, matrix.reshape(len(rows), matrix.size // max(len(rows), 1)), generation

    def match(self, expression: str, top_k: int) -> list[tuple[int, float]]:
        """Best ``top_k`` passages for an FTS5 expression: row ids and BM25 scores, higher is better."""
        sql = "SELECT rowid, -bm25(passages_fts) AS score FROM passages_fts WHERE passages_fts MATCH ? "
        return [
            (int(i), float(s)) for i, s in self._rows(sql + "ORDER BY score DESC, rowid LIMIT ?", expression, top_k)
        ]

    def stage(self, documents: Sequence[Staged]) -> None:
        """Keep documents on disk without making them visible; replaces what was staged under their ids."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._mutex, self._transaction("IMMEDIATE"):
            for item in documents:
                self._db.execute("DELETE FROM documents WHERE doc_id = ? AND NOT is_live", (item.doc_id,))
                row = (item.doc_id, item.source, item.title, item.content_hash, item.size_chars, now)
                cursor = self._db.execute(
                    "INSERT INTO documents (doc_id, source, title, content_hash, size_chars, added_at, is_live) "
                    "VALUES (?, ?, ?, ?, ?, ?, 0)",
                    row,
                )
                self._db.executemany(
                    "INSERT INTO passages (document, ordinal, start, text, vector) VALUES (?, ?, ?, ?, ?)",
                    (
                        (cursor.lastrowid, ordinal, passage.start, passage.text, vector.tobytes())
                        for ordinal, (passage, vector) in enumerate(zip(item.passages, item.vectors, strict=True))
                    ),
                )

    def publish(self, doc_ids: Sequence[str], encoder: str) -> None:
        """Make the staged documents visible in one transaction; other staged documents are dropped."""
        with self._mutex, self._transaction("IMMEDIATE"):
            for doc_id in doc_ids:
                self._retire(doc_id)
                self._db.execute("UPDATE documents SET is_live = 1 WHERE doc_id = ? AND NOT is_live", (doc_id,))
                self._db.execute(
                    "INSERT INTO passages_fts (rowid, title, text) "
                    f"SELECT p.id, d.title, p.text FROM {_LIVE} WHERE d.doc_id = ?",
                    (doc_id,),
                )
            self._db.execute("DELETE FROM documents WHERE NOT is_live")
            self._set_meta("encoder", encoder)
            self._set_meta("generation", str(self.generation + 1))

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that came from them, in one transaction."""
        with self._mutex, self._transaction("IMMEDIATE"):
            for doc_id in doc_ids:
                self._retire(doc_id)
            if not self._rows("SELECT 1 FROM documents WHERE is_live LIMIT 1"):
                self._db.execute("DELETE FROM meta WHERE key = 'encoder'")
            self._set_meta("generation", str(self.generation + 1))

    def discard_staged(self) -> None:
        """Drop staged documents (made with another encoder, say)."""
        with self._mutex, self._transaction("IMMEDIATE"):
            self._db.execute("DELETE FROM documents WHERE NOT is_live")

    def _retire(self, doc_id: str) -> None:
        self._db.execute(
            f"DELETE FROM passages_fts WHERE rowid IN (SELECT p.id FROM {_LIVE} WHERE d.doc_id = ?)", (doc_id,)
        )
        self._db.execute("DELETE FROM documents WHERE doc_id = ? AND is_live", (doc_id,))

    def _meta(self, key: str) -> str | None:
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def _set_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._mutex:
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        try:
            self._db.execute(f"BEGIN {kind}")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StorageError(f"cannot write to {self.folder}: {error}; nothing was changed") from error


def _connect(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    # FULL: a publication that was acknowledged survives a power cut too, not only a kill.
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.executescript(_SCHEMA)
    db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('schema', ?)", (_SCHEMA_VERSION,))
    found = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    if found != _SCHEMA_VERSION:
        raise StorageError(
            f"{file} has layout {found}, this version reads {_SCHEMA_VERSION}; open it with the version that made it"
        )
    return db
