"""Checking and repairing a library in PostgreSQL.

The server's own constraints and checksums guard its pages. What is checked here is what they cannot know: whether
vectors, words and totals are those of the texts, and whether rows have lost what they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from psycopg import Connection

from rag.core.encoding import Encoder, passage_text
from rag.library.base import Library
from rag.library.checking import Damage, IsReadable, is_unit
from rag.library.postgres.check_graph import check_graph_index
from rag.library.postgres.check_indexes import check_dense_index, check_sparse_index
from rag.library.postgres.database import LIVE, next_generation
from rag.library.postgres.graph_tables import unlist
from rag.library.postgres.rows import passage_columns
from rag.library.postgres.word_lists import list_words, unlist_words
from rag.library.rows import content_key

Transaction = Callable[[], AbstractContextManager[Connection[Any]]]
_BATCH = 1000
_ORPHANS = "NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = passages.document)"


def find_damages(
    library: Library, transaction: Transaction, encoder: Encoder, is_readable: IsReadable
) -> Iterator[Damage]:
    """What is wrong, part by part."""
    yield from _check_orphans(transaction)
    yield from _check_documents(transaction)
    yield from _check_vectors(library, transaction, encoder)
    yield from check_sparse_index(transaction)
    yield from check_dense_index(transaction)
    yield from _check_extractions(transaction, is_readable)
    yield from check_graph_index(transaction)


def _check_orphans(transaction: Transaction) -> Iterator[Damage]:
    """Only a restored dump, or a session without constraints, leaves passages without a document."""
    with transaction() as db:
        row = db.execute(f"SELECT count(*) FROM passages WHERE {_ORPHANS}").fetchone()
    if row and row[0]:
        yield Damage("passages", f"{row[0]} passages belong to no document", partial(_drop_orphans, transaction))


def _drop_orphans(transaction: Transaction) -> None:
    with transaction() as db:
        db.execute(f"DELETE FROM passages WHERE {_ORPHANS}")
        next_generation(db)


def _check_documents(transaction: Transaction) -> Iterator[Damage]:
    """Passages are counted from 0, so a gap shows. Its text is known to the source alone."""
    with transaction() as db:
        documents = db.execute(
            "SELECT d.id, d.source FROM documents d LEFT JOIN passages p ON p.document = d.id WHERE d.is_live "
            "GROUP BY d.id HAVING count(p.id) = 0 OR count(p.id) != max(p.ordinal) + 1"
        ).fetchall()
    for document, source in documents:
        problem = f"passages of {source} are missing; a repair lets the next 'concord add' read it again"
        yield Damage("passages", problem, partial(_forget_hash, transaction, document))


def _forget_hash(transaction: Transaction, document: int) -> None:
    with transaction() as db:
        db.execute("UPDATE documents SET content_hash = '' WHERE id = %s", (document,))


def _check_vectors(library: Library, transaction: Transaction, encoder: Encoder) -> Iterator[Damage]:
    ids = library.live_ids()[0].tolist()
    dimension = _usual_dimension(transaction)
    for first in range(0, len(ids), _BATCH):
        with transaction() as db:
            columns = "p.id, d.title, p.text, p.heading, p.content, p.vector"
            rows = db.execute(
                f"SELECT {columns} FROM {LIVE} WHERE p.id = ANY(%s)", (ids[first : first + _BATCH],)
            ).fetchall()
        damaged = {
            row_id: (title, text, heading)
            for row_id, title, text, heading, content, vector in rows
            if bytes(content) != content_key(title, text) or not _is_sound(vector.to_numpy(), dimension)
        }
        if damaged:
            problem = f"the vectors of {len(damaged)} passages are damaged, or not those of their texts"
            yield Damage("vectors", problem, partial(_embed_again, library, transaction, encoder, damaged))


def _usual_dimension(transaction: Transaction) -> int:
    with transaction() as db:
        row = db.execute(
            "SELECT vector_dims(vector) FROM passages GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()
    return int(row[0]) if row else 0


def _is_sound(vector: Any, dimension: int) -> bool:
    return len(vector) == dimension and is_unit(vector)


def _embed_again(
    library: Library, transaction: Transaction, encoder: Encoder, texts: Mapping[int, tuple[str, str, str]]
) -> None:
    """Replace passages by copies with new row ids, since a row id stands for one vector."""
    library.check_encoder(encoder.name)
    vectors = encoder.encode([passage_text(*parts) for parts in texts.values()])
    with transaction() as db:
        unlist(db, list(texts))
        unlist_words(db, list(texts))
        (last,) = db.execute("SELECT max(id) FROM passages").fetchone() or (0,)
        db.cursor().executemany(
            "INSERT INTO passages "
            "(document, ordinal, start, location, heading, text, content, num_words, words, vector) "
            "SELECT document, ordinal, start, location, heading, %s, %s, %s, to_words(%s), %s "
            "FROM passages WHERE id = %s",
            [
                (*passage_columns(*parts), vector, row_id)
                for (row_id, parts), vector in zip(texts.items(), vectors, strict=True)
            ],
        )
        db.execute("DELETE FROM passages WHERE id = ANY(%s)", (list(texts),))
        rows = db.execute("SELECT id FROM passages WHERE id > %s ORDER BY id", (last,)).fetchall()
        list_words(db, [row[0] for row in rows])
        next_generation(db)


def _check_extractions(transaction: Transaction, is_readable: IsReadable) -> Iterator[Damage]:
    """Extractions must be readable, and of a content that some passage has."""
    with transaction() as db:
        rows = db.execute(
            "SELECT e.extractor, e.content, e.body, "
            "(SELECT p.text FROM passages p WHERE p.content = e.content LIMIT 1) FROM extractions e"
        ).fetchall()
    damaged = [
        (name, content) for name, content, body, text in rows if text is None or not is_readable(bytes(body), text)
    ]
    if damaged:
        problem = f"{len(damaged)} extractions are damaged, or of passages that are gone; imported triples among them "
        yield Damage("graph", problem + "have to be imported again", partial(_drop, transaction, damaged))


def _drop(transaction: Transaction, rows: Sequence[tuple[str, bytes]]) -> None:
    with transaction() as db:
        db.cursor().executemany("DELETE FROM extractions WHERE extractor = %s AND content = %s", rows)
        next_generation(db)
