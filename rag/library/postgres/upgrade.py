"""Opening a library in PostgreSQL, and bringing one of an earlier layout up to date (:mod:`rag.library.upgrade`).

Layout 1 did not say where passages stand, and left it to the server to cut words. Layout 2 had no graph index; its
tables are filled by whoever needs them first. Layout 3 had the server's full-text index in the place of lists of words.

Processes of earlier versions that have the library open go on reading: what they need stays until the end. The writer's
place is taken, so nobody adds meanwhile.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from rag.core.errors import ConcordError
from rag.core.process.progress import Report
from rag.library.postgres.address import Address
from rag.library.postgres.connections import Connections
from rag.library.postgres.database import (
    FUNCTION,
    GRAPH_TABLES,
    LAYOUT,
    PostgresDatabase,
    get_meta,
    next_generation,
    set_meta,
)
from rag.library.postgres.word_lists import WORD_TABLES, list_words
from rag.library.postgres.words import write_words
from rag.library.upgrade import WAIT_S, Upgrade, busy_error, take_steps

# Passages of one step, a few seconds. Each step writes the unfilled blocks of its words again, so smaller steps take
# longer in all and leave more dead rows.
STEP = 10_000


def open_database(
    connections: Connections, address: Address, *, must_exist: bool, is_owner: bool, report: Report | None = None
) -> PostgresDatabase:
    """The schema of one library, of this version's layout.

    Args:
        connections: to its server.
        address: of the library.
        must_exist: refuse to make a new one.
        is_owner: the connections are closed with it.
        report: is told how many of how many passages are done, where it was made by an earlier version.

    Raises:
        LibraryError: it does not exist although it must.
        StorageError: the server failed, or holds a library of another layout.
        UnavailableError: another process is bringing it up to date.
    """
    database = PostgresDatabase(connections, address, must_exist=must_exist, is_owner=is_owner)
    if database.layout == LAYOUT:
        return database
    try:
        _bring_up_to_date(database, report)
    except BaseException:
        database.close()
        raise
    return database


def _bring_up_to_date(database: PostgresDatabase, report: Report | None) -> None:
    def explain() -> ConcordError:
        is_begun, num_done, num_all = _state(database)
        return busy_error(database.address.place, is_begun=is_begun, num_done=num_done, num_all=num_all)

    with database.connections.lock(database.address.schema, timeout_s=WAIT_S, explain=explain):
        with database.transaction() as db:
            _begin(db)
        _, num_done, num_all = _state(database)
        take_steps(lambda: _take_step(database), num_done, num_all, report)


def _begin(db: Connection[Any]) -> None:
    """Make the tables and columns that the layout lacks, empty; nothing if that was done, or all of it."""
    layout = get_meta(db, "schema") or ""
    if layout not in ("1", "2", "3"):
        return
    if layout == "1":
        for table, column in (("passages", "location"), ("passages", "heading"), ("documents", "date")):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} text NOT NULL DEFAULT ''".encode())
        db.execute(FUNCTION)
    if layout != "3":
        db.execute(GRAPH_TABLES)
    db.execute(WORD_TABLES)
    set_meta(db, "schema", str(Upgrade(LAYOUT, layout)))


def _take_step(database: PostgresDatabase) -> int:
    """Bring the next passages up to date; their number, 0 where none is left and the library is of this layout."""
    with database.transaction() as db:
        upgrade = _lock_note(db)
        if upgrade is None:
            return 0
        rows = db.execute(
            "SELECT p.id, d.is_live FROM passages p JOIN documents d ON d.id = p.document "
            "WHERE p.id > %s ORDER BY p.id LIMIT %s",
            (upgrade.last_id, STEP),
        ).fetchall()
        if not rows:
            _finish(db, upgrade.origin)
            return 0
        if upgrade.origin == "1":
            write_words(db, [row_id for row_id, _ in rows])
        list_words(db, [row_id for row_id, is_live in rows if is_live])
        set_meta(db, "schema", str(Upgrade(LAYOUT, upgrade.origin, rows[-1][0])))
        return len(rows)


def _lock_note(db: Connection[Any]) -> Upgrade | None:
    """How far it is; ``None`` at the end. Locked, since a process whose connection was cut may be at it still."""
    row = db.execute("SELECT value FROM meta WHERE key = 'schema' FOR UPDATE").fetchone()
    return Upgrade.read(row[0], LAYOUT) if row else None


def _finish(db: Connection[Any], origin: str) -> None:
    db.execute("DROP INDEX IF EXISTS passages_by_word")
    if origin == "1":
        next_generation(db)  # the words, and with them their sums, are others
    set_meta(db, "schema", LAYOUT)


def _state(database: PostgresDatabase) -> tuple[bool, int, int]:
    """Whether it is begun, how many passages are done, and of how many."""
    with database.transaction() as db:
        upgrade = Upgrade.read(get_meta(db, "schema") or "", LAYOUT)
        row = db.execute(
            "SELECT count(*) FILTER (WHERE id <= %s), count(*) FROM passages", (upgrade.last_id if upgrade else 0,)
        ).fetchone()
    assert row is not None  # counts are one row
    return upgrade is not None, int(row[0]), int(row[1])
