"""Bringing a library of an earlier layout in a folder up to date (:mod:`rag.library.upgrade`).

Layout 1 did not name the content of its passages, and layouts 1 and 2 did not say where passages stand, and left it to
FTS5 to cut words. Layout 3 had no graph index; its tables are filled by whoever needs them first.

Processes of earlier versions that have the library open go on reading: the new index takes the place of the former one
at the end. The writer's lock is held, so nobody adds meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rag.core.errors import StorageError
from rag.core.process.progress import Report
from rag.library.rows import content_key
from rag.library.sqlite.layout import INDEXED, LAYOUT, LIVE, LOCK_FILE, SPARSE_TABLE
from rag.library.upgrade import WAIT_S, Upgrade, busy_error, take_steps

# Passages of one step.
STEP = 2000
_NEXT = "passages_fts_next"


def bring_up_to_date(db: sqlite3.Connection, file: Path, report: Report | None = None) -> None:
    """Give the library in ``file`` this version's layout, whether it was begun or not.

    Args:
        db: a connection to it.
        file: of the library.
        report: is told how many of how many passages are done.

    Raises:
        UnavailableError: another process is at it, and was still after a moment.
        StorageError: the folder cannot be written to.
    """
    db.create_function("content_key", 2, content_key, deterministic=True)
    try:
        with FileLock(file.with_name(LOCK_FILE), timeout=WAIT_S, mode=0o600):
            _begin(db)
            _, num_done, num_all = _state(db)
            take_steps(lambda: _take_step(db), num_done, num_all, report)
    except Timeout:
        is_begun, num_done, num_all = _state(db)
        raise busy_error(str(file.parent), is_begun=is_begun, num_done=num_done, num_all=num_all) from None
    except OSError as error:
        raise StorageError(f"cannot bring {file.parent} up to date: {error.strerror}") from error


def _begin(db: sqlite3.Connection) -> None:
    """Make the columns and the index that the layout lacks, empty; nothing if that was done."""
    with _transaction(db):
        layout = _layout(db)
        if layout == "1":
            db.execute("ALTER TABLE passages ADD COLUMN content BLOB")
        if layout in ("1", "2"):
            for table, column in (("passages", "location"), ("passages", "heading"), ("documents", "date")):
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
            db.execute(SPARSE_TABLE.format(name=_NEXT))
            _note(db, str(Upgrade(LAYOUT, layout)))
        elif layout == "3":
            _note(db, LAYOUT)


def _take_step(db: sqlite3.Connection) -> int:
    """Bring the next passages up to date; their number, 0 where none is left and the library is of this layout."""
    with _transaction(db):
        upgrade = Upgrade.read(_layout(db), LAYOUT)
        if upgrade is None:
            return 0
        ids = db.execute("SELECT id FROM passages WHERE id > ? ORDER BY id LIMIT ?", (upgrade.last_id, STEP)).fetchall()
        if not ids:
            db.execute("DROP TABLE IF EXISTS passages_fts")
            db.execute(f"ALTER TABLE {_NEXT} RENAME TO passages_fts")
            _note(db, LAYOUT)
            return 0
        between = (ids[0][0], ids[-1][0])
        if upgrade.origin == "1":
            db.execute(
                "UPDATE passages SET content = content_key(d.title, text) FROM documents d "
                "WHERE d.id = passages.document AND passages.id BETWEEN ? AND ?",
                between,
            )
        columns = f"SELECT p.id, {INDEXED} FROM {LIVE} WHERE p.id BETWEEN ? AND ?"
        db.execute(f"INSERT INTO {_NEXT} (rowid, title, text) {columns}", between)
        _note(db, str(Upgrade(LAYOUT, upgrade.origin, between[1])))
        return len(ids)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _layout(db: sqlite3.Connection) -> str:
    return str(db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])


def _note(db: sqlite3.Connection, layout: str) -> None:
    db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (layout,))


def _state(db: sqlite3.Connection) -> tuple[bool, int, int]:
    """Whether it is begun, how many passages are done, and of how many."""
    upgrade = Upgrade.read(_layout(db), LAYOUT)
    last_id = upgrade.last_id if upgrade else 0
    num_done, num_all = db.execute("SELECT coalesce(sum(id <= ?), 0), count(*) FROM passages", (last_id,)).fetchone()
    return upgrade is not None, int(num_done), int(num_all)
