"""The SQLite file of a library: its layout, and one connection for each transaction that is open.

documents (is_live)  1 --- *  passages (text, vector, content)  1 --- 1  passages_fts (live passages only)
passages.content  * --- *  extractions (one per extractor and content)
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from rag.core.encoding import searched_text
from rag.core.errors import StorageError
from rag.core.words import index_words
from rag.library.base import content_key

LAYOUT = "3"
BUSY_TIMEOUT_S = 60.0
# Kept open for the next reader; more than this read at once only in short bursts.
_MAX_IDLE = 16
_TABLES = """
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
    date TEXT NOT NULL DEFAULT '',
    UNIQUE (doc_id, is_live)
);
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL,
    content BLOB,
    location TEXT NOT NULL DEFAULT '',
    heading TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS passages_by_document ON passages (document);
CREATE TABLE IF NOT EXISTS extractions (
    extractor TEXT NOT NULL,
    content BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (extractor, content)
) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS passages_by_content ON passages (content);
CREATE INDEX IF NOT EXISTS extractions_by_content ON extractions (content);
"""
# The words come from rag.core.words, so FTS5 only has to cut at blanks and to stem.
SPARSE_INDEX = """
CREATE VIRTUAL TABLE IF NOT EXISTS passages_fts USING fts5 (title, text, tokenize = 'porter ascii');
"""

LIVE = "passages p JOIN documents d ON d.id = p.document AND d.is_live"
# The columns of passages_fts for rows of LIVE.
INDEXED = "join_words(d.title), join_words(searched_text(d.title, p.text, p.heading))"


class Database:
    """Connections to one file. Every transaction has its own, so that readers never wait for each other."""

    def __init__(self, file: Path) -> None:
        """Open ``file``, making or upgrading its tables.

        Raises:
            StorageError: of a later layout.
            sqlite3.DatabaseError: damaged.
        """
        self.file = file
        self._idle: list[sqlite3.Connection] = []
        self._mutex = Lock()
        self._is_closed = False
        if not file.exists():
            with suppress(OSError):  # SQLite finds the reason out again, and says it
                file.touch(mode=0o600)  # its owner's alone; SQLite gives the files beside it the same rights
        db = self._connect()
        try:
            _prepare(db, file)
        except BaseException:
            db.close()
            raise
        self._idle.append(db)

    def close(self) -> None:
        """Close the idle connections now, and those in use when they are given back."""
        with self._mutex:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot: everything that is read inside belongs to the same moment.

        Raises:
            StorageError: what was read is damaged.
        """
        with self._transaction("DEFERRED") as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing.

        Raises:
            StorageError: the disk is full, or the file is damaged or cannot be written.
        """
        with self._transaction("IMMEDIATE") as db:
            yield db

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        db = self._take()
        try:
            db.execute(f"BEGIN {kind}")
            yield db
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            verb = "read from" if kind == "DEFERRED" else "write to"
            raise StorageError(f"cannot {verb} {self.file.parent}: {error}; nothing was changed") from error
        except sqlite3.DatabaseError as error:
            folder = self.file.parent
            raise StorageError(f"{self.file} is damaged ({error}); see: concord check {folder} --repair") from error
        finally:
            if db.in_transaction:  # after a failure; a full disk has rolled back by itself
                db.execute("ROLLBACK")
            self._give_back(db)

    def _take(self) -> sqlite3.Connection:
        with self._mutex:
            if self._is_closed:
                raise StorageError(f"the library at {self.file.parent} was closed; open it again")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, db: sqlite3.Connection) -> None:
        with self._mutex:
            if not self._is_closed and len(self._idle) < _MAX_IDLE:
                self._idle.append(db)
                return
        db.close()

    def _connect(self) -> sqlite3.Connection:
        # A connection goes from thread to thread, but is in the hands of one at a time.
        db = sqlite3.connect(self.file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        # FULL: a publication that was acknowledged survives a power cut too, not only a kill.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.create_function("join_words", 1, _join_words, deterministic=True)
        db.create_function("searched_text", 3, searched_text, deterministic=True)
        return db


def get_meta(db: sqlite3.Connection, key: str) -> str | None:
    """A value of the library as a whole."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else None


def set_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    """Put a value of the library as a whole."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def next_generation(db: sqlite3.Connection) -> int:
    """Tell everyone who has read the library that it changes with this transaction."""
    generation = int(get_meta(db, "generation") or 0) + 1
    set_meta(db, "generation", str(generation))
    return generation


def _prepare(db: sqlite3.Connection, file: Path) -> None:
    # A passage and its vector take some 2 kB: pages of 4 kB would stay half empty. Of effect in a new file only.
    db.execute("PRAGMA page_size = 16384")
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(_TABLES)
    db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('schema', ?)", (LAYOUT,))
    layout = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    if layout in ("1", "2"):
        _upgrade(db)
    elif layout != LAYOUT:
        raise StorageError(
            f"{file} has layout {layout}, this version reads {LAYOUT}; open it with the version that made it"
        )
    db.executescript(_INDEXES + SPARSE_INDEX)
    # Names this library in derived files: another one may be in the same folder later.
    db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('identity', ?)", (uuid.uuid4().hex,))


def _upgrade(db: sqlite3.Connection) -> None:
    """From layout 1, which did not name the content of its passages, and 2, which did not say where they stand."""
    db.create_function("content_key", 2, content_key, deterministic=True)
    db.execute("BEGIN IMMEDIATE")
    layout = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    if layout == "1":
        db.execute("ALTER TABLE passages ADD COLUMN content BLOB")
        db.execute(
            "UPDATE passages SET content = content_key(d.title, text) FROM documents d WHERE d.id = passages.document"
        )
    if layout in ("1", "2"):
        for table, column in (("passages", "location"), ("passages", "heading"), ("documents", "date")):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
        index_all_words(db)
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (LAYOUT,))
    db.execute("COMMIT")


def index_all_words(db: sqlite3.Connection) -> None:
    """Make the sparse index again, from the texts."""
    db.execute("DROP TABLE IF EXISTS passages_fts")
    db.execute(SPARSE_INDEX)
    db.execute(f"INSERT INTO passages_fts (rowid, title, text) SELECT p.id, {INDEXED} FROM {LIVE}")


def _join_words(text: str) -> str:
    return " ".join(index_words(text))
