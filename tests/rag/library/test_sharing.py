"""One library in many hands: threads of one process, and several processes, while documents come and go."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from rag.core.errors import StorageError
from rag.engine import Engine
from rag.library.sqlite.library import SqliteLibrary
from tests.conftest import HashEmbeddings
from tests.processes import start

STEADY = "The steady lamp of the harbour shines."


def answer(folder: str, retrieval: str, asker: Connection) -> None:
    """Tell what is found whenever asked: the best passage, and how many there are."""
    with Engine.open(folder, embeddings=HashEmbeddings(), retrieval=retrieval) as engine:
        asker.send("ready")
        while asker.recv():
            [ranking] = engine.retrieve(["steady lamp"], top_k=5)
            asker.send((ranking[0].passage.text, len(ranking)))


@pytest.fixture(params=["hybrid", "graph"])
def engine(tmp_path: Path, embeddings: Any, request: pytest.FixtureRequest) -> Iterator[Engine]:
    with Engine.open(tmp_path / "library", embeddings=embeddings, retrieval=request.param) as opened:
        opened.add([Document(page_content=STEADY, metadata={"source": "steady"})])
        yield opened


def churn(engine: Engine, rounds: int) -> None:
    """Every generation holds the steady document and one or two others."""
    for number in range(rounds):
        engine.add([Document(page_content=f"Boat {number} comes.", metadata={"source": f"boat-{number}"})])
        if number:
            engine.remove([f"boat-{number - 1}"])


def test_threads_see_whole_states_only(engine: Engine) -> None:
    failures: list[BaseException] = []
    counts = [0] * 4
    stop = threading.Event()

    def read(reader: int) -> None:
        try:
            while not stop.is_set():
                [ranking] = engine.retrieve(["steady lamp"], top_k=5)
                assert ranking[0].passage.text == STEADY
                assert len(ranking) <= 3
                assert "steady" in {document.source for document in engine.documents()}
                counts[reader] += 1
        except BaseException as error:  # handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=read, args=(reader,)) for reader in range(len(counts))]
    for thread in threads:
        thread.start()
    churn(engine, 12)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert min(counts) > 0


def test_a_reader_does_not_wait_for_another(tmp_path: Path) -> None:
    library = SqliteLibrary.open(tmp_path)
    done = threading.Event()
    with library.database.reading() as db:
        db.execute("SELECT count(*) FROM documents").fetchall()
        thread = threading.Thread(target=lambda: (library.documents(), done.set()))
        thread.start()
        assert done.wait(5), "it waits for the open transaction"
        thread.join()
    library.close()
    with pytest.raises(StorageError, match="was closed"):
        library.documents()


def test_a_snapshot_stays_as_it_was(engine: Engine) -> None:
    with engine.library.database.reading() as db:
        before = db.execute("SELECT count(*) FROM documents").fetchone()
        engine.add([Document(page_content="A new boat.", metadata={"source": "new"})])
        assert db.execute("SELECT count(*) FROM documents").fetchone() == before
    assert len(engine.documents()) == 2


def test_processes_see_each_other(engine: Engine) -> None:
    pipes = [Pipe() for _ in range(2)]
    folder, retrieval = str(engine.library.folder), engine.config.retrieval
    readers = [start(answer, folder, retrieval, far_end) for _, far_end in pipes]
    asking = [near_end for near_end, _ in pipes]
    try:
        assert [reader.recv() for reader in asking] == ["ready"] * 2
        for number in range(4):
            churn(engine, 1 + number)
            for reader in asking:
                reader.send(True)
                text, size = reader.recv()
                assert text == STEADY
                assert 1 <= size <= 3 + number
    finally:
        for process in readers:
            process.kill()
            process.join()
    assert engine.check() == []


def test_layout_1_is_upgraded(tmp_path: Path, embeddings: Any) -> None:
    """A library as version 0.1.0 made it: no contents, no extractions, no identity."""
    folder = tmp_path / "library"
    with Engine.open(folder, embeddings=embeddings) as engine:
        engine.add([Document(page_content=STEADY, metadata={"source": "steady"})])
    with sqlite3.connect(folder / "library.sqlite3") as db:
        for index in ("passages_by_content", "extractions_by_content"):
            db.execute(f"DROP INDEX {index}")
        for table, column in (
            ("passages", "content"),
            ("passages", "location"),
            ("passages", "heading"),
            ("documents", "date"),
        ):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("DROP TABLE extractions")
        db.execute("DELETE FROM meta WHERE key = 'identity'")
        db.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
    db.close()
    (folder / "dense.faiss").unlink(missing_ok=True)
    with Engine.open(folder, embeddings=embeddings, retrieval="graph") as engine:
        assert engine.retrieve(["steady lamp"])[0][0].passage.text == STEADY
        assert engine.check() == []
        assert engine.add([Document(page_content=STEADY, metadata={"source": "steady"})]).unchanged
        assert engine.library.identity


def test_layout_2_gets_places_and_words_of_all_scripts(tmp_path: Path, embeddings: Any) -> None:
    """A library as version 0.2.0 made it: FTS5 cut the words, and passages had no place."""
    folder = tmp_path / "library"
    text = "馆长是王芳。"
    with Engine.open(folder, embeddings=embeddings) as engine:
        engine.add([Document(page_content=text, metadata={"source": "zh"})])
    with sqlite3.connect(folder / "library.sqlite3") as db:
        for table, column in (("passages", "location"), ("passages", "heading"), ("documents", "date")):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("DROP TABLE passages_fts")
        db.execute("CREATE VIRTUAL TABLE passages_fts USING fts5 (title, text, tokenize = 'porter unicode61')")
        db.execute("INSERT INTO passages_fts (rowid, title, text) SELECT id, 'zh', text FROM passages")
        db.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    db.close()
    with Engine.open(folder, embeddings=embeddings, retrieval="sparse") as engine:
        (found,) = engine.retrieve(["王芳"])[0]
        assert (found.passage.text, found.passage.location, found.passage.date) == (text, "", "")
        assert engine.check() == []


def test_a_second_writer_waits(tmp_path: Path) -> None:
    library, other = SqliteLibrary.open(tmp_path), SqliteLibrary.open(tmp_path)
    order: list[str] = []

    def write() -> None:
        with other.writing():
            order.append("second")

    with library.writing():
        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
