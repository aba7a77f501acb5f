"""What is particular to a library on disk; what every library does is in test_libraries."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rag.core.errors import LibraryError, StorageError
from rag.library.sqlite.library import SqliteLibrary
from tests.rag.library.test_contract import publish, staged


def test_a_removed_document_leaves_no_row(tmp_path: Path) -> None:
    library = SqliteLibrary.open(tmp_path)
    publish(library, staged("a", "apples"), staged("b", "bananas"))
    library.remove(["a"])
    with sqlite3.connect(tmp_path / "library.sqlite3") as db:
        assert db.execute("SELECT count(*) FROM passages").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM passages_fts").fetchone() == (1,)


def test_bad_places(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(LibraryError, match="is a file"):
        SqliteLibrary.open(file)
    with pytest.raises(LibraryError, match="no library at"):
        SqliteLibrary.open(tmp_path / "none", must_exist=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", [b"this is not a database, though it is long enough" * 50])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "library.sqlite3").write_bytes(content)
    with pytest.raises(StorageError, match=r"library\.sqlite3 is damaged"):
        SqliteLibrary.open(tmp_path)


def test_a_file_that_another_program_holds_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteLibrary.open(tmp_path).close()
    monkeypatch.setattr("rag.library.sqlite.database.BUSY_TIMEOUT_S", 0.1)
    holder = sqlite3.connect(tmp_path / "library.sqlite3", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match=r"cannot open .*: database is locked"):
        SqliteLibrary.open(tmp_path)
    holder.close()
    SqliteLibrary.open(tmp_path)


def test_another_layout_is_refused(tmp_path: Path) -> None:
    library = SqliteLibrary.open(tmp_path)
    library.close()
    with sqlite3.connect(tmp_path / "library.sqlite3") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.close()
    with pytest.raises(StorageError, match="layout 99"):
        SqliteLibrary.open(tmp_path)


def test_a_name_too_long_for_the_system_is_refused(tmp_path: Path) -> None:
    for must_exist in (True, False):
        with pytest.raises(LibraryError, match=r"cannot make a library at .*: File name too long"):
            SqliteLibrary.open(tmp_path / ("a" * 300), must_exist=must_exist)
