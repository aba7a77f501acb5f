"""The tables of a library's SQLite file; :mod:`rag.library.sqlite.upgrade` brings those of earlier versions up to date.

documents (is_live)  1 --- *  passages (text, vector, content)  1 --- 1  passages_fts (live passages only)
passages.content  * --- *  extractions (one per extractor and content)
passages  1 --- 0..1  graph_entries (:mod:`rag.library.sqlite.graph_tables`, with graph_names and graph_words)
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

from rag.core.encoding import searched_text
from rag.core.errors import StorageError
from rag.core.words import index_words
from rag.library.upgrade import Upgrade

LAYOUT = "4"
_EARLIER = ("1", "2", "3")
# Held by the one writer, and by whoever brings the library up to date.
LOCK_FILE = ".lock"
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
CREATE TABLE IF NOT EXISTS graph_entries (
    passage INTEGER PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE,
    version TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS graph_names (
    key INTEGER NOT NULL,
    passage INTEGER NOT NULL,
    PRIMARY KEY (key, passage)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS graph_words (word INTEGER PRIMARY KEY, count INTEGER NOT NULL);
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS passages_by_content ON passages (content);
CREATE INDEX IF NOT EXISTS extractions_by_content ON extractions (content);
"""
# The words come from rag.core.words, so FTS5 only has to cut at blanks and to stem.
SPARSE_TABLE = "CREATE VIRTUAL TABLE IF NOT EXISTS {name} USING fts5 (title, text, tokenize = 'porter ascii')"
SPARSE_INDEX = SPARSE_TABLE.format(name="passages_fts")

LIVE = "passages p JOIN documents d ON d.id = p.document AND d.is_live"
# The columns of passages_fts for rows of LIVE.
INDEXED = "join_words(d.title), join_words(searched_text(d.title, p.text, p.heading))"


def add_functions(db: sqlite3.Connection) -> None:
    """The functions that :data:`INDEXED` calls."""
    db.create_function("join_words", 1, _join_words, deterministic=True)
    db.create_function("searched_text", 3, searched_text, deterministic=True)


def make_tables(db: sqlite3.Connection, file: Path) -> str:
    """Make the tables that are missing; the layout of those that were there.

    Raises:
        StorageError: they are of a later version.
    """
    # A passage and its vector take some 2 kB: pages of 4 kB would stay half empty. Of effect in a new file only.
    db.execute("PRAGMA page_size = 16384")
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(_TABLES)
    db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('schema', ?)", (LAYOUT,))
    layout = str(db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])
    if layout != LAYOUT and layout not in _EARLIER and Upgrade.read(layout, LAYOUT) is None:
        raise StorageError(
            f"{file} has layout {layout}, this version reads {LAYOUT}; open it with the version that made it"
        )
    return layout


def make_indexes(db: sqlite3.Connection) -> None:
    """Make what needs the columns of this layout, unless it is there."""
    db.executescript(f"{_INDEXES}{SPARSE_INDEX};")
    # Names this library in derived files: another one may be in the same folder later.
    db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('identity', ?)", (uuid.uuid4().hex,))


def index_all_words(db: sqlite3.Connection) -> None:
    """Make the sparse index again, from the texts."""
    db.execute("DROP TABLE IF EXISTS passages_fts")
    db.execute(SPARSE_INDEX)
    db.execute(f"INSERT INTO passages_fts (rowid, title, text) SELECT p.id, {INDEXED} FROM {LIVE}")


def _join_words(text: str) -> str:
    return " ".join(index_words(text))
