"""Open a library by its place: a folder, or a PostgreSQL address."""

from __future__ import annotations

from pathlib import Path

from rag.core.errors import LibraryError
from rag.core.process.progress import Report
from rag.library.base import Library

_SCHEMES = ("postgresql://", "postgres://")


def is_address(place: str | Path) -> bool:
    """Whether a library's place is a PostgreSQL address and no folder."""
    return str(place).startswith(_SCHEMES)


def open_library(place: str | Path, *, must_exist: bool = False, report: Report | None = None) -> Library:
    """Open the library at a folder or at ``postgresql://[user@]host[:port]/DATABASE/LIBRARY``, making it on first use.

    Args:
        place: of the library.
        must_exist: refuse to make a new one.
        report: is told how many of how many passages are done, where it was made by an earlier version.

    Raises:
        LibraryError: it does not exist although it must, or the place is unfit.
        StorageError: it is damaged, of another version, or out of reach.
        UnavailableError: another process is bringing it up to date.
    """
    if is_address(place):
        try:
            from rag.library.postgres.library import PostgresLibrary
        except ImportError as error:
            raise LibraryError(
                f"a library in PostgreSQL needs {error.name}: pip install 'concord-rag[postgres]'"
            ) from error
        return PostgresLibrary.open(str(place), must_exist=must_exist, report=report)
    from rag.library.sqlite.library import SqliteLibrary

    return SqliteLibrary.open(place, must_exist=must_exist, report=report)
