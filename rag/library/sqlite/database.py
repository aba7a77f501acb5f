"""The SQLite file of a library: one connection for each transaction that is open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from rag.core.errors import StorageError
from rag.core.process.progress import Report
from rag.library.sqlite.layout import LAYOUT, LIVE, add_functions, make_indexes, make_tables
from rag.library.sqlite.upgrade import bring_up_to_date

BUSY_TIMEOUT_S = 60.0
# Kept open for the next reader; more than this read at once only in short bursts.
_MAX_IDLE = 16


class Database:
    """Connections to one file. Every transaction has its own, so that readers never wait for each other."""

    def __init__(self, file: Path, report: Report | None = None) -> None:
        """Open ``file``, making or upgrading its tables.

        Args:
            file: of the library.
            report: is told how many of how many passages are done, where it was made by an earlier version.

        Raises:
            StorageError: of a later layout.
            UnavailableError: another process is upgrading it.
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
            if make_tables(db, file) != LAYOUT:
                bring_up_to_date(db, file, report)
            make_indexes(db)
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
        add_functions(db)
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
    set_meta(db, "num_passages", f"{generation} {count_passages(db)}")
    return generation


def count_passages(db: sqlite3.Connection) -> int:
    """Live passages."""
    (count,) = db.execute(f"SELECT count(*) FROM {LIVE}").fetchone()
    return int(count)
