"""A library in PostgreSQL with pgvector: any number of processes, on any number of hosts, share it.

Crash safety is that of a library on disk: documents are staged (invisible) in small transactions, and one transaction
publishes all of them. No state is held here beyond the connections.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from psycopg import Connection

from rag.core.encoding import Encoder, Vectors
from rag.core.errors import StorageError
from rag.core.passages import Passage
from rag.core.process.lazy import lazy_property
from rag.core.process.progress import Report
from rag.library.base import IMPORTED, Library, Staged
from rag.library.checking import Finding, IsReadable, settle
from rag.library.postgres.address import Address
from rag.library.postgres.check import find_damages
from rag.library.postgres.connections import Connections
from rag.library.postgres.database import LIVE, PostgresDatabase, get_meta, next_generation, set_meta
from rag.library.postgres.dense import PgVectorIndex, drop_index
from rag.library.postgres.graph_tables import (
    PostgresGraphTables,
    enlist,
    follow,
    is_current,
    keep_entries,
    unlist,
)
from rag.library.postgres.patch_files import PostgresPatchFiles
from rag.library.postgres.question_store import PostgresQuestionStore
from rag.library.postgres.reading import PostgresReader
from rag.library.postgres.report_store import PostgresReportStore
from rag.library.postgres.rows import passage_columns, storable
from rag.library.postgres.upgrade import open_database
from rag.library.postgres.word_lists import list_words, unlist_words
from rag.library.postgres.writer import Writer
from rag.library.rows import check_all_published


class PostgresLibrary(PostgresReader):
    """Reads and writes one library of one database."""

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)
        self._writer = Writer(database)
        self._dense_index = PgVectorIndex(database)
        self._graph_tables = PostgresGraphTables(database, self._writer.transaction)

    @classmethod
    def open(cls, address: str, *, must_exist: bool = False, report: Report | None = None) -> PostgresLibrary:
        """Open ``postgresql://[user[:password]@][host][:port]/DATABASE/LIBRARY``, making the library on first use.

        Args:
            address: of the library.
            must_exist: refuse to make a new one.
            report: is told how many of how many passages are done, where it was made by an earlier version.

        Raises:
            LibraryError: the address is malformed, the library does not exist although it must, or the database
                lacks pgvector.
            StorageError: the server is out of reach, or the library is of another layout.
            UnavailableError: another process is bringing the library up to date.
        """
        return cls._connect(Address.parse(address), must_exist=must_exist, report=report)

    @classmethod
    def _connect(cls, address: Address, *, must_exist: bool, report: Report | None = None) -> PostgresLibrary:
        return cls(open_database(Connections(address), address, must_exist=must_exist, is_owner=True, report=report))

    def opener(self) -> Callable[[], Library]:
        """Opens this library in another process; holds the address with its password."""
        return partial(PostgresLibrary._connect, self.database.address, must_exist=True)

    def writing(self) -> AbstractContextManager[None]:
        """Be the one writer of this library, across processes and hosts (:mod:`rag.library.postgres.writer`).

        Raises:
            StorageError: another process is writing, and was still at it after a minute, or the server is out of reach.
        """
        return self._writer.hold()

    def dense_index(self) -> PgVectorIndex:
        """pgvector over the library's vectors."""
        return self._dense_index

    def graph_tables(self) -> PostgresGraphTables:
        """Tables of the library's schema."""
        return self._graph_tables

    def question_store(self) -> PostgresQuestionStore:
        """A table of the library's schema.

        Raises:
            StorageError: the server is out of reach, or lets this user make no table.
        """
        return PostgresQuestionStore(self.database)

    def patch_files(self) -> PostgresPatchFiles:
        """A table of the library's schema.

        Raises:
            StorageError: the server is out of reach, or lets this user make no table.
        """
        return self._patch_files

    def report_store(self) -> PostgresReportStore:
        """A table of the library's schema.

        Raises:
            StorageError: the server is out of reach, or lets this user make no table.
        """
        return PostgresReportStore(self.database)

    def keep_extractions(self, extractor: str, bodies: Mapping[int, bytes], *, is_import: bool = False) -> None:
        """See :meth:`rag.library.base.Library.keep_extractions`."""
        with self.database.transaction() as db:
            db.cursor().executemany(
                "INSERT INTO extractions (extractor, content, body) SELECT %s, content, %s FROM passages WHERE id = %s "
                "ON CONFLICT (extractor, content) DO UPDATE SET body = excluded.body",
                [(extractor, body, row_id) for row_id, body in sorted(bodies.items())],
            )
            if is_import:
                unlist(db, _with_same_content(db, list(bodies)))
                set_meta(db, "imported_at", str(next_generation(db)))

    def keep_probe(self, probe: Vectors) -> None:
        """Keep the vector ``[D]`` by which the encoder is known; replaces a former one."""
        with self._writer.transaction() as db:
            set_meta(db, "encoder_probe", b64encode(probe.astype(np.float32).tobytes()).decode())

    def stage(self, documents: Sequence[Staged]) -> None:
        """Keep documents in the database without making them visible; replaces what was staged under their ids."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._writer.transaction() as db:
            for item in documents:
                db.execute("DELETE FROM documents WHERE doc_id = %s AND NOT is_live", (item.doc_id,))
                title = storable(item.title)
                row = db.execute(
                    "INSERT INTO documents (doc_id, source, title, content_hash, size_chars, added_at, date, is_live) "
                    "VALUES (%s, %s, %s, %s, %s, %s, %s, false) RETURNING id",
                    (item.doc_id, item.source, title, item.content_hash, item.size_chars, now, item.date),
                ).fetchone()
                assert row is not None  # RETURNING gives one row for the one inserted
                db.cursor().executemany(
                    "INSERT INTO passages "
                    "(document, ordinal, start, location, heading, text, content, num_words, words, vector) "
                    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, to_words(%s), %s)",
                    [
                        (row[0], ordinal, *_place(passage), *_columns(title, passage), vector)
                        for ordinal, (passage, vector) in enumerate(zip(item.passages, item.vectors, strict=True))
                    ],
                )
                if item.entries:
                    ids = db.execute("SELECT id FROM passages WHERE document = %s ORDER BY ordinal", row).fetchall()
                    keep_entries(db, item.entry_version, zip((i for (i,) in ids), item.entries, strict=True))

    def publish(self, doc_ids: Sequence[str], encoder: str) -> None:
        """Make the staged documents visible in one transaction; other staged documents are dropped.

        Raises:
            StorageError: some of them are not staged any more, or the writer's place was lost; nothing is changed.
        """
        names = list(dict.fromkeys(doc_ids))
        with self._writer.transaction() as db:
            was_indexed = is_current(db)
            contents = _retire(db, names)
            statement = "UPDATE documents SET is_live = true WHERE doc_id = ANY(%s) AND NOT is_live"
            num_published = db.execute(statement, (names,)).rowcount
            check_all_published(len(names), num_published, self.place)
            db.execute("DELETE FROM documents WHERE NOT is_live")
            _drop_extractions(db, contents)
            new_ids = _passage_ids(db, names)
            list_words(db, new_ids)
            enlist(db, new_ids)
            unlist(db, _imported(db, new_ids))
            set_meta(db, "encoder", encoder)
            next_generation(db)
            if was_indexed:
                follow(db, new_ids)
        # In its own transaction, so that publishing stays short. A failure costs speed alone; a check reports it.
        with suppress(StorageError):
            self._dense_index.build_if_large(self.num_passages)

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that came from them, in one transaction."""
        with self._writer.transaction() as db:
            was_indexed = is_current(db)
            _drop_extractions(db, _retire(db, list(doc_ids)))
            if not db.execute("SELECT 1 FROM documents WHERE is_live LIMIT 1").fetchone():
                drop_index(db)
                db.execute("DELETE FROM meta WHERE key IN ('encoder', 'encoder_probe')")
            next_generation(db)
            if was_indexed:
                follow(db, ())

    def discard_staged(self) -> None:
        """Drop all staged documents."""
        with self._writer.transaction() as db:
            db.execute("DELETE FROM documents WHERE NOT is_live")

    def check(self, encoder: Encoder, is_readable: IsReadable, *, is_repairing: bool) -> list[Finding]:
        """See :meth:`rag.library.base.Library.check`."""
        with self.writing():
            damages = find_damages(self, self._writer.transaction, encoder, is_readable)
            return settle(damages, is_repairing=is_repairing)

    @lazy_property
    def _patch_files(self) -> PostgresPatchFiles:
        return PostgresPatchFiles(self.database)


def _place(passage: Passage) -> tuple[int, str, str]:
    return passage.start, storable(passage.location), storable(passage.heading)


def _columns(title: str, passage: Passage) -> tuple[str, bytes, int, str]:
    return passage_columns(title, storable(passage.text), storable(passage.heading))


def _retire(db: Connection[Any], doc_ids: list[str]) -> list[bytes]:
    """Remove live documents; the contents of their passages."""
    is_named = "d.doc_id = ANY(%s)"
    ids = _passage_ids(db, doc_ids)
    unlist_words(db, ids)
    unlist(db, ids)
    rows = db.execute(f"SELECT DISTINCT p.content FROM {LIVE} WHERE {is_named}", (doc_ids,)).fetchall()
    db.execute(f"DELETE FROM documents d WHERE {is_named} AND is_live", (doc_ids,))
    return [row[0] for row in rows]


def _passage_ids(db: Connection[Any], doc_ids: list[str]) -> list[int]:
    """Row ids of the live passages of documents, ascending."""
    rows = db.execute(f"SELECT p.id FROM {LIVE} WHERE d.doc_id = ANY(%s) ORDER BY p.id", (doc_ids,)).fetchall()
    return [row[0] for row in rows]


def _with_same_content(db: Connection[Any], ids: list[int]) -> list[int]:
    """Row ids of the live passages that say what one of these says."""
    statement = f"SELECT p.id FROM {LIVE} WHERE p.content IN (SELECT content FROM passages WHERE id = ANY(%s))"
    return [row[0] for row in db.execute(statement, (ids,)).fetchall()]


def _imported(db: Connection[Any], ids: list[int]) -> list[int]:
    """Those of these passages whose content has imported extractions, which their entries lack."""
    if get_meta(db, "imported_at") is None:
        return []
    statement = (
        "SELECT p.id FROM passages p JOIN extractions e ON e.content = p.content AND e.extractor = %s "
        "WHERE p.id = ANY(%s)"
    )
    return [row[0] for row in db.execute(statement, (IMPORTED, ids)).fetchall()]


def _drop_extractions(db: Connection[Any], contents: list[bytes]) -> None:
    """Drop what was extracted from those of ``contents`` that no passage has any more."""
    is_orphan = "NOT EXISTS (SELECT 1 FROM passages p WHERE p.content = extractions.content)"
    db.execute(f"DELETE FROM extractions WHERE content = ANY(%s) AND {is_orphan}", (contents,))
