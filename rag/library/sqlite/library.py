"""A library on disk: documents, passages, vectors and the sparse index in one SQLite file.

Crash safety. Documents are staged (invisible) in small transactions as they are read and embedded, then one
transaction publishes all of them and retires what they replace. A kill before it leaves the previous state, a kill
after it the new one, and what was staged is used by the next ``add`` instead of being embedded again. Everything
else on disk (the FAISS file) is derived; it is brought up to date by comparing row ids, which are never used twice.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from rag.core.encoding import Encoder, Vectors
from rag.core.errors import LibraryError, StorageError
from rag.core.passages import Passage
from rag.core.process.lazy import lazy_property
from rag.core.process.progress import Report
from rag.library.base import IMPORTED, Library, Staged
from rag.library.checking import Finding, IsReadable, settle
from rag.library.report_store import FolderReportStore
from rag.library.rows import check_all_published, content_key
from rag.library.sqlite.check import find_damages
from rag.library.sqlite.database import BUSY_TIMEOUT_S, Database, get_meta, next_generation, set_meta
from rag.library.sqlite.dense import FaissIndex
from rag.library.sqlite.graph_tables import (
    SqliteGraphTables,
    enlist,
    follow,
    is_current,
    keep_entries,
    unlist,
)
from rag.library.sqlite.index_build import EXACT_LIMIT
from rag.library.sqlite.index_file import INDEX_FILE
from rag.library.sqlite.layout import INDEXED, LIVE, LOCK_FILE
from rag.library.sqlite.patch_files import FolderPatchFiles
from rag.library.sqlite.question_store import SqliteQuestionStore
from rag.library.sqlite.reading import FILE, SqliteReader


class SqliteLibrary(SqliteReader):
    """Reads and writes one library folder. Safe for threads of one process and for several processes."""

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(folder, database)
        self._graph_tables = SqliteGraphTables(database)
        self._writer = FileLock(folder / LOCK_FILE, timeout=BUSY_TIMEOUT_S, mode=0o600)
        self._patch_files = FolderPatchFiles(folder / "patches")

    @classmethod
    def open(cls, folder: str | Path, *, must_exist: bool = False, report: Report | None = None) -> SqliteLibrary:
        """Open the library in ``folder``, making it on first use.

        Args:
            folder: of the library.
            must_exist: refuse to make a new one.
            report: is told how many of how many passages are done, where it was made by an earlier version.

        Raises:
            LibraryError: it does not exist although it must, or the path is no folder.
            StorageError: its file is damaged, of another version, or cannot be written.
            UnavailableError: another process is bringing it up to date.
        """
        folder = Path(folder).expanduser()
        try:
            if folder.exists() and not folder.is_dir():
                raise LibraryError(f"{folder} is a file; a library is a folder")
            if must_exist and not (folder / FILE).is_file():
                raise LibraryError(f"there is no library at {folder}; make one with: concord add {folder} PATH...")
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LibraryError(f"cannot make a library at {folder}: {error.strerror}") from error
        try:
            return cls(folder, Database(folder / FILE, report))
        except sqlite3.OperationalError as error:  # nothing is wrong with what is in it
            raise StorageError(
                f"cannot open {folder / FILE}: {error}; see that this user may write there, that the disk has room, "
                "and that no other program holds the file"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"{folder / FILE} is damaged ({error}); restore it from a backup, or remove it and add the documents "
                "again"
            ) from error

    def opener(self) -> Callable[[], Library]:
        """Opens this library in another process, which must see the same folder."""
        return partial(SqliteLibrary.open, self._folder.resolve(), must_exist=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer of this library, across processes; the lock of a file is never lost.

        Raises:
            StorageError: another process is writing, and was still at it after a minute.
        """
        try:
            with self._writer:
                yield
        except Timeout:
            raise StorageError(f"another process is writing to {self._folder}; try again when it is done") from None

    def dense_index(self) -> FaissIndex:
        """FAISS over the library's vectors."""
        return self._dense_index

    def graph_tables(self) -> SqliteGraphTables:
        """Tables of the library's file."""
        return self._graph_tables

    def question_store(self) -> SqliteQuestionStore:
        """A table of the library's file.

        Raises:
            StorageError: the file is damaged, or cannot be written.
        """
        return SqliteQuestionStore(self.file)

    def patch_files(self) -> FolderPatchFiles:
        """A folder in the library's."""
        return self._patch_files

    def report_store(self) -> FolderReportStore:
        """Files in the library's folder."""
        return FolderReportStore(self._folder)

    def keep_extractions(self, extractor: str, bodies: Mapping[int, bytes], *, is_import: bool = False) -> None:
        """See :meth:`rag.library.base.Library.keep_extractions`."""
        with self.database.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO extractions (extractor, content, body) "
                "SELECT ?, content, ? FROM passages WHERE id = ?",
                ((extractor, body, row_id) for row_id, body in bodies.items()),
            )
            if is_import:
                unlist(db, _with_same_content(db, list(bodies)))
                set_meta(db, "imported_at", str(next_generation(db)))

    def keep_probe(self, probe: Vectors) -> None:
        """Keep the vector ``[D]`` by which the encoder is known; replaces a former one."""
        with self.database.writing() as db:
            set_meta(db, "encoder_probe", b64encode(probe.astype(np.float32).tobytes()).decode())

    def stage(self, documents: Sequence[Staged]) -> None:
        """Keep documents on disk without making them visible; replaces what was staged under their ids."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self.database.writing() as db:
            for item in documents:
                db.execute("DELETE FROM documents WHERE doc_id = ? AND NOT is_live", (item.doc_id,))
                row = (item.doc_id, item.source, item.title, item.content_hash, item.size_chars, now, item.date)
                cursor = db.execute(
                    "INSERT INTO documents (doc_id, source, title, content_hash, size_chars, added_at, date, is_live) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                    row,
                )
                db.executemany(
                    "INSERT INTO passages (document, ordinal, start, text, vector, content, location, heading) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        (cursor.lastrowid, i, *_columns(item.title, passage, vector))
                        for i, (passage, vector) in enumerate(zip(item.passages, item.vectors, strict=True))
                    ),
                )
                if item.entries:
                    ids = db.execute("SELECT id FROM passages WHERE document = ? ORDER BY ordinal", (cursor.lastrowid,))
                    rows = zip((row_id for (row_id,) in ids.fetchall()), item.entries, strict=True)
                    keep_entries(db, item.entry_version, rows)

    def publish(self, doc_ids: Sequence[str], encoder: str) -> None:
        """Make the staged documents visible in one transaction; other staged documents are dropped.

        Raises:
            StorageError: some of them are not staged any more, since another process wrote; nothing is changed.
        """
        names = list(dict.fromkeys(doc_ids))
        with self.database.writing() as db:
            was_indexed = is_current(db)
            contents = _retire(db, names)
            num_published = 0
            for doc_id in names:
                sql = "UPDATE documents SET is_live = 1 WHERE doc_id = ? AND NOT is_live"
                num_published += db.execute(sql, (doc_id,)).rowcount
                db.execute(
                    "INSERT INTO passages_fts (rowid, title, text) "
                    f"SELECT p.id, {INDEXED} FROM {LIVE} WHERE d.doc_id = ?",
                    (doc_id,),
                )
            check_all_published(len(names), num_published, self.place)
            db.execute("DELETE FROM documents WHERE NOT is_live")
            _drop_extractions(db, contents)
            new_ids = _passage_ids(db, names)
            enlist(db, new_ids)
            unlist(db, _imported(db, new_ids))
            set_meta(db, "encoder", encoder)
            next_generation(db)
            if was_indexed:
                follow(db, new_ids)
        # Outside the transaction, so that publishing stays short; the first question would have to wait for it.
        if self.num_passages > EXACT_LIMIT:
            with suppress(StorageError):
                self._dense_index.follow()

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that came from them, in one transaction."""
        with self.database.writing() as db:
            was_indexed = is_current(db)
            _drop_extractions(db, _retire(db, doc_ids))
            if not db.execute("SELECT 1 FROM documents WHERE is_live LIMIT 1").fetchone():
                db.execute("DELETE FROM meta WHERE key IN ('encoder', 'encoder_probe')")
            next_generation(db)
            if was_indexed:
                follow(db, ())

    def discard_staged(self) -> None:
        """Drop all staged documents."""
        with self.database.writing() as db:
            db.execute("DELETE FROM documents WHERE NOT is_live")

    def check(self, encoder: Encoder, is_readable: IsReadable, *, is_repairing: bool) -> list[Finding]:
        """See :meth:`rag.library.base.Library.check`."""
        with self.writing():
            return settle(find_damages(self, self.database, encoder, is_readable), is_repairing=is_repairing)

    @lazy_property
    def _dense_index(self) -> FaissIndex:
        return FaissIndex(self, self._folder / INDEX_FILE)


def _columns(title: str, passage: Passage, vector: Vectors) -> tuple[int, str, bytes, bytes, str, str]:
    """Columns start to heading of a passage."""
    key = content_key(title, passage.text)
    return passage.start, passage.text, vector.tobytes(), key, passage.location, passage.heading


def _retire(db: sqlite3.Connection, doc_ids: Sequence[str]) -> list[tuple[bytes]]:
    """Remove live documents; the contents of their passages."""
    contents: list[tuple[bytes]] = []
    unlist(db, _passage_ids(db, doc_ids))
    for doc_id in doc_ids:
        contents += db.execute(f"SELECT p.content FROM {LIVE} WHERE d.doc_id = ?", (doc_id,)).fetchall()
        db.execute(f"DELETE FROM passages_fts WHERE rowid IN (SELECT p.id FROM {LIVE} WHERE d.doc_id = ?)", (doc_id,))
        db.execute("DELETE FROM documents WHERE doc_id = ? AND is_live", (doc_id,))
    return contents


def _passage_ids(db: sqlite3.Connection, doc_ids: Sequence[str]) -> list[int]:
    """Row ids of the live passages of documents, ascending."""
    sql = f"SELECT p.id FROM {LIVE} WHERE d.doc_id IN (SELECT value FROM json_each(?)) ORDER BY p.id"
    return [row_id for (row_id,) in db.execute(sql, (json.dumps(list(doc_ids)),))]


def _with_same_content(db: sqlite3.Connection, ids: Sequence[int]) -> list[int]:
    """Row ids of the live passages that say what one of these says."""
    sql = (
        f"SELECT p.id FROM {LIVE} WHERE p.content IN "
        "(SELECT content FROM passages WHERE id IN (SELECT value FROM json_each(?)))"
    )
    return [row_id for (row_id,) in db.execute(sql, (json.dumps(list(ids)),))]


def _imported(db: sqlite3.Connection, ids: Sequence[int]) -> list[int]:
    """Those of these passages whose content has imported extractions, which their entries lack."""
    if get_meta(db, "imported_at") is None:
        return []
    sql = (
        "SELECT p.id FROM passages p JOIN extractions e ON e.content = p.content AND e.extractor = ? "
        "WHERE p.id IN (SELECT value FROM json_each(?))"
    )
    return [row_id for (row_id,) in db.execute(sql, (IMPORTED, json.dumps(list(ids))))]


def _drop_extractions(db: sqlite3.Connection, contents: Sequence[tuple[bytes]]) -> None:
    """Drop what was extracted from those of ``contents`` that no passage has any more."""
    is_orphan = "NOT EXISTS (SELECT 1 FROM passages p WHERE p.content = extractions.content)"
    db.executemany(f"DELETE FROM extractions WHERE content = ? AND {is_orphan}", contents)
