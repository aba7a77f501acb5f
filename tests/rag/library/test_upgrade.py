"""Libraries of earlier layouts: brought up to date in steps, across a kill, while others are told how far it is."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from rag.core.errors import UnavailableError
from rag.engine import Engine
from rag.library.base import Library, Staged
from rag.library.open import is_address, open_library
from rag.library.upgrade import Upgrade
from rag.service.catalog.open_engines import OpenEngines
from tests.conftest import HashEmbeddings
from tests.processes import start
from tests.rag.library.test_contract import publish, staged

NUM_PASSAGES = 6


def upgrade_module(place: str) -> Any:
    """What brings this kind of library up to date."""
    return import_module(f"rag.library.{'postgres' if is_address(place) else 'sqlite'}.upgrade")


def make_old(place: str) -> list[tuple[int, float]]:
    """A library as an early version made it; what it answers when it is new."""
    library = open_library(place)
    texts = ["The ferries sail.", "馆长是王芳。", "A ferry sails at noon.", "Gulls."]
    publish(library, document("a", *texts[:2]), document("b", *texts[2:]), document("gone", "Ferries!"))
    library.stage([document("later", "The noon ferry.")])  # waits for the next 'add'
    hits = ask(library)
    library.close()
    (_age_postgres if is_address(place) else _age_folder)(place)
    return hits


def document(doc_id: str, *texts: str) -> Staged:
    """One of passages without headings, which early versions did not have."""
    with_headings = staged(doc_id, *texts)
    return replace(with_headings, passages=[replace(one, heading="") for one in with_headings.passages])


def _age_folder(place: str) -> None:
    with sqlite3.connect(Path(place) / "library.sqlite3") as db:
        for index in ("passages_by_content", "extractions_by_content"):
            db.execute(f"DROP INDEX {index}")
        columns = [("passages", "content"), ("passages", "location"), ("passages", "heading"), ("documents", "date")]
        for table, column in columns:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("DROP TABLE passages_fts")
        db.execute("CREATE VIRTUAL TABLE passages_fts USING fts5 (title, text, tokenize = 'porter unicode61')")
        db.execute("INSERT INTO passages_fts (rowid, title, text) SELECT id, '', text FROM passages WHERE id < 6")
        db.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
    db.close()


def _age_postgres(place: str) -> None:
    with open_library(place).database.transaction() as db:  # type: ignore[attr-defined]
        for table, column in (("passages", "location"), ("passages", "heading"), ("documents", "date")):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}".encode())
        db.execute("DROP FUNCTION to_words")
        db.execute("UPDATE passages SET words = to_tsvector('simple', text), num_words = 1")
        db.execute("DROP TABLE graph_entries, graph_names, graph_words, word_blocks")
        db.execute("CREATE INDEX passages_by_word ON passages USING gin (words)")
        db.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")


def has_former_index(place: str) -> bool:
    """Whether the index that words were searched by is there as it was."""
    if is_address(place):
        import psycopg

        from rag.library.postgres.address import Address

        address = Address.parse(place)
        with psycopg.connect(address.conninfo) as db:
            named = (f'"{address.schema}".passages_by_word',)
            return db.execute("SELECT to_regclass(%s) IS NOT NULL", named).fetchone() == (True,)
    with sqlite3.connect(Path(place) / "library.sqlite3") as db:
        return db.execute("SELECT count(*) FROM passages_fts").fetchone() == (NUM_PASSAGES - 1,)


def ask(library: Library) -> list[tuple[int, float]]:
    return library.match('"ferries" OR "noon" OR "王芳"', 9)


def open_slowly(place: str, messages: Connection) -> None:
    """Opens a library in steps of one passage, and waits for a word after each."""
    upgrade_module(place).STEP = 1

    def report(num_done: int, num_all: int) -> None:
        messages.send((num_done, num_all))
        messages.recv()

    open_library(place, report=report)
    messages.send("open")


def test_a_killed_upgrade_goes_on_where_it_stopped(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade_module(place), "STEP", 2)
    monkeypatch.setattr(upgrade_module(place), "WAIT_S", 0.1)
    hits = make_old(place)
    near, far = Pipe()
    process = start(open_slowly, place, far)
    for number in (1, 2, 3):
        assert near.recv() == (number, NUM_PASSAGES)
        if number < 3:
            near.send("go on")
    with pytest.raises(UnavailableError, match=f"3 of {NUM_PASSAGES} passages are done; try again"):
        open_library(place)
    assert has_former_index(place)  # for processes of the earlier version that have it open
    process.kill()
    process.join()
    seen: list[tuple[int, int]] = []
    with Engine.open(place, embeddings=HashEmbeddings(), on_upgrade=lambda *done: seen.append(done)) as engine:
        assert seen == [(5, NUM_PASSAGES), (6, NUM_PASSAGES)]
        library = engine.library
        assert dict(ask(library)) == pytest.approx(dict(hits))
        assert library.meta("schema") == "4"
        library.publish(["later"], "enc")
        library.remove(["gone"])
        assert [finding.part for finding in engine.check()] == ["vectors"]  # which are none of a text
    reopened = open_library(place, report=lambda *done: seen.append(done))
    assert len(ask(reopened)) == 4
    assert len(seen) == 2


def test_a_writer_of_the_earlier_version_is_waited_for(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade_module(place), "WAIT_S", 0.1)
    open_before = open_library(place)
    make_old(place)
    with open_before.writing(), pytest.raises(UnavailableError, match="another process is writing to it"):
        open_library(place)
    assert open_library(place).meta("schema") == "4"


def test_layout_3_in_a_folder_lacks_only_what_is_made_later(tmp_path: Path) -> None:
    library = open_library(tmp_path)
    publish(library, document("a", "The ferries sail."))
    hits = ask(library)
    library.close()
    with sqlite3.connect(tmp_path / "library.sqlite3") as db:
        db.execute("UPDATE meta SET value = '3' WHERE key = 'schema'")
    db.close()
    library = open_library(tmp_path)
    assert (library.meta("schema"), ask(library)) == ("4", hits)


@pytest.mark.parametrize("text", ["4", "5 from 3, passages up to 7", "4 from 3", "99", ""])
def test_a_layout_is_no_note(text: str) -> None:
    assert Upgrade.read(text, "4") is None
    note = Upgrade("4", "3", 12)
    assert Upgrade.read(str(note), "4") == note


def test_a_library_that_takes_long_to_open_keeps_no_other_one_waiting() -> None:
    engines, is_opening, may_end = OpenEngines(), threading.Event(), threading.Event()
    opened: list[Any] = []

    def build(name: str) -> Any:
        class Named:
            def close(self) -> None:
                opened.append(f"{name} closed")

        return Named()

    def slow() -> Any:
        is_opening.set()
        assert may_end.wait(30)
        return build("slow")

    thread = threading.Thread(target=lambda: opened.append(engines.get("old", 1, slow)))
    thread.start()
    assert is_opening.wait(30)
    other = engines.get("new", 1, lambda: build("other"))
    first = engines.get("old", 1, lambda: build("first"))
    may_end.set()
    thread.join()
    assert engines.get("new", 1, slow) is other
    assert opened == ["slow closed", first]
    replaced = engines.get("old", 2, lambda: build("replaced"))
    assert replaced is not first
    engines.forget("old")
    assert engines.get("old", 2, lambda: build("again")) is not replaced
