"""Questions that passages served, in a table of the library's schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, errors

from rag.library.postgres.database import PostgresDatabase
from rag.library.question_store import NewItem, QuestionStore, StoredItem

# A question does not wait long for its items to be kept: what cannot be written now is left out.
_BUSY_TIMEOUT = "500ms"
_TABLES = """
CREATE TABLE IF NOT EXISTS questions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    question text NOT NULL,
    passage bigint NOT NULL REFERENCES passages (id) ON DELETE CASCADE,
    vector vector NOT NULL,
    created_at double precision NOT NULL,
    used_at double precision NOT NULL,
    UNIQUE (question, passage)
);
CREATE INDEX IF NOT EXISTS questions_by_passage ON questions (passage);
"""
_LIVE = (
    "questions q JOIN passages p ON p.id = q.passage AND vector_dims(p.vector) = vector_dims(q.vector)"
    " JOIN documents d ON d.id = p.document AND d.is_live"
)
# Another session holds what is needed, or writes the same item at this moment; a standby server takes no items.
_NOT_NOW = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.UniqueViolation,
    errors.ForeignKeyViolation,
    errors.ReadOnlySqlTransaction,
    errors.DiskFull,
)


class PostgresQuestionStore(QuestionStore):
    """The items of one library; sessions of any number of processes share them."""

    def __init__(self, database: PostgresDatabase) -> None:
        """Make the table where it is missing.

        Raises:
            StorageError: the server is out of reach, or lets this user make no table.
        """
        self._database = database
        database.make_tables("questions", _TABLES)

    def close(self) -> None:
        """Nothing is held here; the connections are the library's."""

    def __len__(self) -> int:
        with self._database.transaction() as db:
            row = db.execute(f"SELECT count(*) FROM {_LIVE}").fetchone()
        return int(row[0]) if row else 0

    def version(self) -> tuple[int, int]:
        """The last id and the number of items: ids are never used twice, and items are never changed."""
        with self._database.transaction() as db:
            row = db.execute("SELECT coalesce(max(id), 0), count(*) FROM questions").fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def ages(self) -> dict[int, float]:
        """``created_at`` of all items whose passages are live, by item id."""
        with self._database.transaction() as db:
            return dict(db.execute(f"SELECT q.id, q.created_at FROM {_LIVE}").fetchall())

    def read(self, after: int) -> list[StoredItem]:
        """Items with an id above ``after`` whose passages are live, by id."""
        columns = "q.id, q.passage, q.created_at, q.question, q.vector, p.vector"
        statement = f"SELECT {columns} FROM {_LIVE} WHERE q.id > %s ORDER BY q.id"
        with self._database.transaction() as db:
            rows = db.cursor(binary=True).execute(statement.encode(), (after,)).fetchall()
        return [
            StoredItem(
                question=question,
                row_id=row_id,
                vector=vector.to_numpy().astype("float32"),
                created_at=created_at,
                item_id=item_id,
                passage_vector=passage_vector.to_numpy().astype("float32"),
            )
            for item_id, row_id, created_at, question, vector, passage_vector in rows
        ]

    def add(self, items: Sequence[NewItem]) -> None:
        """Keep items; each replaces a former one with its question and passage. Passages that are gone are left out."""
        rows = [(i.question.replace("\0", " "), i.row_id, i.vector, i.created_at, i.created_at) for i in items]
        with self._writing() as db:
            # A new id tells readers that the item is another one.
            db.cursor().executemany("DELETE FROM questions WHERE question = %s AND passage = %s", [r[:2] for r in rows])
            db.cursor().executemany(
                "INSERT INTO questions (question, passage, vector, created_at, used_at) "
                "SELECT %s, p.id, %s, %s, %s FROM passages p WHERE p.id = %s",
                [(question, *values, row_id) for question, row_id, *values in rows],
            )

    def touch(self, item_ids: Sequence[int], used_at: float) -> None:
        """Note that these items were used."""
        if item_ids:
            with self._writing() as db:
                db.execute("UPDATE questions SET used_at = %s WHERE id = ANY(%s)", (used_at, sorted(item_ids)))

    def trim(self, created_after: float, max_items: int) -> None:
        """Drop items that are older, then the least recently used ones beyond ``max_items``."""
        surplus = "SELECT id FROM questions ORDER BY used_at DESC, id DESC OFFSET %s"
        with self._writing() as db:
            db.execute("DELETE FROM questions WHERE created_at < %s", (created_after,))
            db.execute(f"DELETE FROM questions WHERE id IN ({surplus})", (max_items,))

    def clear(self) -> None:
        """Drop all items."""
        with self._writing() as db:
            db.execute("DELETE FROM questions")

    @contextmanager
    def _writing(self) -> Iterator[Connection[Any]]:
        """One transaction that is given up where it would have to wait."""
        with self._database.transaction(ignored=_NOT_NOW) as db:
            db.execute(f"SET LOCAL lock_timeout = '{_BUSY_TIMEOUT}'")
            yield db
