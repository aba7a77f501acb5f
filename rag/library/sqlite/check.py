"""Checking and repairing a library in a folder: its file, documents, vectors and extractions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from rag.core.encoding import Encoder, passage_text
from rag.library.base import Library
from rag.library.checking import Damage, IsReadable, is_unit
from rag.library.rows import content_key
from rag.library.sqlite.check_graph import check_graph_index
from rag.library.sqlite.check_indexes import check_dense_index, check_sparse_index
from rag.library.sqlite.database import Database, next_generation
from rag.library.sqlite.graph_tables import unlist
from rag.library.sqlite.layout import INDEXED, LIVE

_BATCH = 1000


def find_damages(library: Library, database: Database, encoder: Encoder, is_readable: IsReadable) -> Iterator[Damage]:
    """What is wrong, part by part. A damaged file ends the check: nothing that is read from it can be relied on."""
    file_damages = list(_check_file(database))
    yield from file_damages
    if not file_damages:
        yield from _check_documents(database)
        yield from _check_vectors(library, database, encoder)
        yield from check_sparse_index(database)
        yield from check_dense_index(library, database)
        yield from _check_extractions(database, is_readable)
        yield from check_graph_index(database)


def _check_file(database: Database) -> Iterator[Damage]:
    with database.reading() as db:
        lines = [str(row[0]) for row in db.execute("PRAGMA quick_check(3)")]
    if lines != ["ok"]:
        advice = "restore it from a backup, or add the documents to a new library"
        yield Damage("file", f"{database.file} is damaged ({lines[0]}); {advice}")


def _check_documents(database: Database) -> Iterator[Damage]:
    """Passages are counted from 0, so a gap shows. Its text is known to the source alone."""
    with database.reading() as db:
        documents = db.execute(
            "SELECT d.id, d.source FROM documents d LEFT JOIN passages p ON p.document = d.id WHERE d.is_live "
            "GROUP BY d.id HAVING count(p.id) = 0 OR count(p.id) != max(p.ordinal) + 1"
        ).fetchall()
    for document, source in documents:
        problem = f"passages of {source} are missing; a repair lets the next 'concord add' read it again"
        yield Damage("passages", problem, partial(_forget_hash, database, document))


def _forget_hash(database: Database, document: int) -> None:
    with database.writing() as db:
        db.execute("UPDATE documents SET content_hash = '' WHERE id = ?", (document,))


def _check_vectors(library: Library, database: Database, encoder: Encoder) -> Iterator[Damage]:
    ids = library.live_ids()[0].tolist()
    size = _usual_size(database)
    for first in range(0, len(ids), _BATCH):
        batch = ids[first : first + _BATCH]
        with database.reading() as db:
            columns = "p.id, d.title, p.text, p.heading, p.content, CAST(p.vector AS BLOB)"
            sql = f"SELECT {columns} FROM {LIVE} WHERE p.id BETWEEN ? AND ?"
            rows = db.execute(sql, (batch[0], batch[-1])).fetchall()
        damaged = {
            row_id: (title, text, heading)
            for row_id, title, text, heading, content, vector in rows
            if content != content_key(title, text) or len(vector) != size or not is_unit(np.frombuffer(vector, "f4"))
        }
        if damaged:
            problem = f"the vectors of {len(damaged)} passages are damaged, or not those of their texts"
            yield Damage("vectors", problem, partial(_embed_again, library, database, encoder, damaged))


def _usual_size(database: Database) -> int:
    with database.reading() as db:
        sql = "SELECT length(vector) FROM passages GROUP BY length(vector) ORDER BY count(*) DESC LIMIT 1"
        row = db.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _embed_again(
    library: Library, database: Database, encoder: Encoder, texts: Mapping[int, tuple[str, str, str]]
) -> None:
    """Replace passages by copies with new row ids, since a row id stands for one vector."""
    library.check_encoder(encoder.name)
    vectors = encoder.encode([passage_text(*parts) for parts in texts.values()])
    with database.writing() as db:
        unlist(db, list(texts))
        for (row_id, (title, text, _)), vector in zip(texts.items(), vectors, strict=True):
            new_id = db.execute(
                "INSERT INTO passages (document, ordinal, start, text, vector, content, location, heading) "
                "SELECT document, ordinal, start, text, ?, ?, location, heading FROM passages WHERE id = ?",
                (vector.tobytes(), content_key(title, text), row_id),
            ).lastrowid
            db.execute("DELETE FROM passages WHERE id = ?", (row_id,))
            db.execute("DELETE FROM passages_fts WHERE rowid = ?", (row_id,))
            db.execute(
                f"INSERT INTO passages_fts (rowid, title, text) SELECT p.id, {INDEXED} FROM {LIVE} WHERE p.id = ?",
                (new_id,),
            )
        next_generation(db)


def _check_extractions(database: Database, is_readable: IsReadable) -> Iterator[Damage]:
    """Extractions must be readable, and of a content that some passage has."""
    with database.reading() as db:
        rows = db.execute(
            "SELECT e.extractor, e.content, e.body, (SELECT p.text FROM passages p WHERE p.content = e.content) "
            "FROM extractions e"
        )
        damaged = [(name, content) for name, content, body, text in rows if text is None or not is_readable(body, text)]
    if damaged:
        problem = f"{len(damaged)} extractions are damaged, or of passages that are gone; imported triples among them "
        yield Damage("graph", problem + "have to be imported again", partial(_drop, database, damaged))


def _drop(database: Database, rows: Sequence[tuple[str, bytes]]) -> None:
    with database.writing() as db:
        db.executemany("DELETE FROM extractions WHERE extractor = ? AND content = ?", rows)
        next_generation(db)
