"""The words of passages in PostgreSQL, compared with their texts and written again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection

from rag.library.postgres.rows import passage_columns

_BATCH = 1000
# Rows that differ from what their words should be, given as arrays.
_EXPECTED = "unnest(%s::bigint[], %s::integer[], %s::text[]) AS e (id, num_words, words)"
_DIFFERS = "(p.num_words != e.num_words OR p.words != to_words(e.words))"


def count_wrong(db: Connection[Any]) -> int:
    """Passages whose words are not those of their text."""
    statement = f"SELECT count(*) FROM passages p JOIN {_EXPECTED} ON e.id = p.id WHERE {_DIFFERS}"
    rows = (db.execute(statement, columns).fetchone() for columns in _expected(db))
    return sum(int(row[0]) for row in rows if row)


def write_words(db: Connection[Any], ids: Sequence[int] | None = None) -> None:
    """Write the words of these passages, or of all, again where they are wrong."""
    statement = (
        f"UPDATE passages p SET num_words = e.num_words, words = to_words(e.words) FROM {_EXPECTED} "
        f"WHERE e.id = p.id AND {_DIFFERS}"
    )
    for columns in _expected(db, ids):
        db.execute(statement, columns)


def _expected(
    db: Connection[Any], ids: Sequence[int] | None = None
) -> Iterator[tuple[list[int], list[int], list[str]]]:
    """Row ids, numbers of words, and words joined by blanks, in batches; of these passages, or of all."""
    chosen = "" if ids is None else "WHERE p.id = ANY(%s) "
    with db.cursor(name="texts") as cursor:  # kept on the server, so that one batch is in memory here
        cursor.execute(
            f"SELECT p.id, d.title, p.text, p.heading FROM passages p JOIN documents d ON d.id = p.document {chosen}"
            "ORDER BY p.id".encode(),
            None if ids is None else (list(ids),),
        )
        while rows := cursor.fetchmany(_BATCH):
            columns = [passage_columns(*parts) for _, *parts in rows]
            yield [row[0] for row in rows], [column[2] for column in columns], [column[3] for column in columns]
