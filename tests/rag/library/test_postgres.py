"""What is particular to a library in PostgreSQL: its address, its rankings, its lock, and what a kill leaves."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("psycopg", reason="needs concord-rag[postgres]")
import psycopg

import rag.library.postgres.dense
from rag.cli.app import app
from rag.core.errors import ConcordError, LibraryError, StorageError
from rag.core.passages import Passage
from rag.engine import Engine
from rag.library.base import Staged
from rag.library.postgres.address import Address
from rag.library.postgres.catalog import PostgresCatalog
from rag.library.postgres.dense import training_mib
from rag.library.postgres.library import PostgresLibrary
from rag.library.question_store import NewItem
from rag.library.sqlite.library import SqliteLibrary
from retrievers.sparse import match_expression
from tests.conftest import CORPUS
from tests.postgres_server import PASSWORD
from tests.rag.library.test_contract import publish, staged
from tests.rag.library.test_crash import start_adding

SECRET = "s3cr:et/@?"
QUOTED = "s3cr%3Aet%2F%40%3F"


@pytest.fixture
def address(postgres: str) -> str:
    return f"{postgres}/{uuid4().hex}"


def test_an_address_is_read_and_named_without_its_password() -> None:
    address = Address.parse(f"postgresql://ann:{QUOTED}@db.example:5433/team/papers.v2?sslmode=require")
    assert address.place == "postgresql://db.example:5433/team/papers.v2"
    assert address.schema == "concord_papers.v2"
    assert psycopg.conninfo.conninfo_to_dict(address.conninfo) == {
        "user": "ann", "password": SECRET, "host": "db.example", "port": "5433", "dbname": "team", "sslmode": "require",
    }  # fmt: skip
    assert SECRET not in repr(address)
    assert SECRET not in address.clean(ValueError(f"bad {SECRET} given"))


@pytest.mark.parametrize(
    "rest",
    [
        "@host/database",
        "@host",
        "@host/database/",
        "@host/database/UPPER",
        "@host/database/two/three",
        "@host:port/database/library",
        "@host:99999/database/library",
        "@[::1/database/library",
        "@host/database/library?sslmode",
        "@host/database/library?nonsense=1",
        "@host/database/" + "x" * 56,
    ],
)
def test_a_malformed_address_is_refused_without_repeating_the_password(rest: str) -> None:
    with pytest.raises(LibraryError) as caught:
        PostgresLibrary.open(f"postgresql://ann:{QUOTED}{rest}")
    assert QUOTED not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.real
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.replace(PASSWORD, "wrong-one"),
        lambda a: a.replace("concord:", "nobody:"),
        lambda a: a.replace("/shared/", "/nowhere/"),
        lambda a: re.sub(r":\d+/", ":9/", a),
    ],
    ids=["password", "user", "database", "port"],
)
def test_a_server_that_refuses_is_named_without_credentials(address: str, change: Any) -> None:
    with pytest.raises(StorageError, match="postgresql://127") as caught:
        PostgresLibrary.open(change(address))
    for secret in (PASSWORD, "wrong-one"):
        assert secret not in str(caught.value)
        assert caught.value.__cause__ is None  # nor in what a traceback would show


@pytest.mark.real
def test_another_layout_is_refused(address: str) -> None:
    library = PostgresLibrary.open(address)
    with library.database.transaction() as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(StorageError, match="layout 99"):
        PostgresLibrary.open(address)


@pytest.mark.real
def test_layout_1_gets_places_and_words_of_all_scripts(address: str) -> None:
    """A library as version 0.2.0 made it: the server cut the words, and passages had no place."""
    library = PostgresLibrary.open(address)
    publish(library, staged("a", "馆长是王芳。", "The ferries sail."))
    scores = library.match('"ferries"', 9)
    with library.database.transaction() as db:
        for table, column in (("passages", "location"), ("passages", "heading"), ("documents", "date")):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}".encode())
        db.execute("DROP FUNCTION to_words")
        db.execute("UPDATE passages SET words = to_tsvector('simple', text), num_words = 1")
        db.execute("DROP TABLE graph_entries, graph_names, graph_words, word_blocks")
        db.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
    library.close()
    library = PostgresLibrary.open(address)
    ids = [row_id for row_id, _ in library.match('"王芳"', 9)]
    (passage,) = library.passages(ids).values()
    assert (passage.passage_id, passage.location, passage.heading, passage.date) == ("a:0", "", "", "")
    assert [row_id for row_id, _ in library.match('"ferries"', 9)] == [row_id for row_id, _ in scores]


@pytest.mark.real
def test_layout_3_gets_lists_of_words(address: str) -> None:
    """As versions made it that searched words by the server's full-text index."""
    library = PostgresLibrary.open(address)
    publish(library, staged("a", "The ferries sail."), staged("b", "A ferry sails at noon."))
    scores = library.match('"ferries" OR "noon"', 9)
    with library.database.transaction() as db:
        db.execute("DROP TABLE word_blocks")
        db.execute("CREATE INDEX passages_by_word ON passages USING gin (words)")
        db.execute("UPDATE meta SET value = '3' WHERE key = 'schema'")
    library.close()
    library = PostgresLibrary.open(address)
    assert library.match('"ferries" OR "noon"', 9) == scores
    assert len(scores) == 2


@pytest.mark.real
def test_word_lists_follow_many_small_changes(address: str, tmp_path: Path) -> None:
    """FTS5 as the oracle, over blocks that are filled, cut, merged and emptied."""
    here, there = SqliteLibrary.open(tmp_path / "l"), PostgresLibrary.open(address)
    rng = np.random.default_rng(5)
    words = [f"w{'abcdefghij'[i]}x" for i in range(10)]
    for step in range(12):
        texts = [" ".join(rng.choice(words, 1 + step)) for _ in range(25)]
        documents = [staged(f"d{rng.integers(12)}", *texts), staged(f"e{step}", *texts[:3])]
        gone = [f"d{rng.integers(12)}", f"e{step - 2}"]
        for library in (here, there):
            publish(library, *documents)
            library.remove(gone)
        expression = " OR ".join(f'"{word}"' for word in rng.choice(words, 3, replace=False))
        expected, got = (_by_name(library, library.match(expression, 1000)) for library in (here, there))
        assert got == pytest.approx(expected, rel=1e-6)
    with there.database.transaction() as db:
        assert db.execute("SELECT count(*) > 10 FROM word_blocks").fetchone() == (True,)
    there.remove([document.doc_id for document in there.documents()])
    with there.database.transaction() as db:
        assert db.execute("SELECT count(*) FROM word_blocks").fetchone() == (0,)


@pytest.mark.real
def test_connections_that_were_cut_cost_no_question_its_answer(address: str) -> None:
    library = PostgresLibrary.open(f"{address}?application_name=cut")
    publish(library, staged("a", "apples"))
    for ask in (lambda: library.match('"apples"', 5), lambda: library.live_ids()[0].tolist()):
        for _ in range(3):  # as many as the pool has
            with library.database.transaction(), library.database.transaction(), library.database.transaction():
                pass
        with psycopg.connect(library.database.address.conninfo, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'cut' AND pid != pg_backend_pid()"
            )
        assert len(ask()) == 1


@pytest.mark.real
def test_sparse_scores_are_those_of_sqlite(address: str, tmp_path: Path, embeddings: Any, questions: Any) -> None:
    """An oracle: FTS5's BM25 over the same passages."""
    there, here = Engine.open(address, embeddings=embeddings), Engine.open(tmp_path / "l", embeddings=embeddings)
    there.add(CORPUS)
    here.add(CORPUS)
    num_compared = 0
    for question in questions:
        expression = match_expression(question["question"])
        expected = _by_name(here.library, here.library.match(expression, 50))
        got = _by_name(there.library, there.library.match(expression, 50))
        assert got == pytest.approx(expected, rel=1e-6)
        num_compared += len(got)
    assert num_compared > 100
    repeated = '"church" OR "churches" OR "ferry" OR "ferries"'  # two words of one stem
    for library in (there.library, here.library):
        publish(library, staged("a", "The churches."), staged("b", "Ferries, and a ferry to the church."))
    expected, got = (_by_name(library, library.match(repeated, 50)) for library in (here.library, there.library))
    assert got == pytest.approx(expected, rel=1e-6)


def _by_name(library: Any, hits: list[tuple[int, float]]) -> dict[str, float]:
    scores = dict(hits)
    return {p.passage_id: scores[row_id] for row_id, p in library.passages(list(scores)).items()}


@pytest.mark.real
def test_nearest_is_exact_then_indexed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    subjects = rng.standard_normal((40, 32))  # as texts have; an inverted file is for vectors that come in groups
    vectors = (subjects[rng.integers(40, size=1500)] + 0.4 * rng.standard_normal((1500, 32))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[rng.choice(1500, 40)] + 0.1 * rng.standard_normal((40, 32)).astype(np.float32)
    library = PostgresLibrary.open(address)
    publish(library, _document("a", vectors))
    first = int(library.live_ids()[0][0])
    products = queries @ vectors.T
    expected = [np.argsort(-row, kind="stable")[:10] + first for row in products]
    exact = library.dense_index().search(queries, 10)
    assert [[i for i, _ in hits] for hits in exact] == [row.tolist() for row in expected]
    np.testing.assert_allclose([[s for _, s in hits] for hits in exact], -np.sort(-products)[:, :10], rtol=1e-5)

    monkeypatch.setattr(rag.library.postgres.dense, "EXACT_LIMIT", 1000)
    library.stage([_document("staged", vectors)])  # as near as the live ones, and not to be found
    library.publish([], "enc")
    library.stage([_document("staged", vectors)])
    assert library.meta("indexed_dimension") == "32"
    with library.database.transaction() as db:
        db.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in db.execute(
            "EXPLAIN SELECT p.id FROM passages p JOIN documents d ON d.id = p.document AND d.is_live "
            "ORDER BY p.vector::halfvec(32) <#> %s::vector::halfvec(32) LIMIT 10", (queries[0],)))  # fmt: skip
    assert "passages_by_vector" in plan
    indexed = library.dense_index().search(queries, 10)
    candidates = library.dense_index().candidates(queries, 10)
    assert [set(row) for row in candidates] == [{i for i, _ in hits} for hits in indexed]
    recall = np.mean([len({i for i, _ in hits} & set(row)) / 10 for hits, row in zip(indexed, expected, strict=True)])
    assert recall >= 0.97
    size = int(library.meta("indexed_passages") or 0)
    publish(library, _document("c", vectors[:100]))
    assert library.meta("indexed_passages") == str(size)
    monkeypatch.setattr(rag.library.postgres.dense, "_GROWTH", 1)
    publish(library, _document("d", vectors[:100]))  # grown enough: divided anew
    assert int(library.meta("indexed_passages") or 0) > size
    library.remove(["a", "c", "d"])
    publish(library, staged("b", "vectors of another length"))
    assert len(library.dense_index().search(np.ones((1, 2), dtype=np.float32), 10)[0]) == 1


@pytest.mark.real
def test_an_index_of_an_earlier_version_is_searched(address: str) -> None:
    """It holds whole vectors, and no fact says so."""
    library = PostgresLibrary.open(address)
    vectors = np.eye(16, dtype=np.float32)
    publish(library, _document("a", vectors))
    with library.database.transaction() as db:
        db.execute("INSERT INTO meta VALUES ('indexed_dimension', '16')")
        db.execute("CREATE INDEX passages_by_vector ON passages USING ivfflat ((vector::vector(16)) vector_ip_ops)")
    first = int(library.live_ids()[0][0])
    assert [hits[0] for hits in library.dense_index().search(vectors, 1)] == [(first + row, 1.0) for row in range(16)]


def test_memory_for_the_lists_is_what_pgvector_asks_for() -> None:
    """What pgvector 0.8.5 named when it had less, for 100,000 halves of 384 dimensions: 104 and 1,079 MB."""
    assert 104 < training_mib(632, 100_000, 384) < 300
    assert 1079 < training_mib(2500, 100_000, 384) < 1500


def _document(name: str, vectors: Any) -> Staged:
    passages = [Passage(f"{name}:{i}", name, name, name, f"text {i}") for i in range(len(vectors))]
    return Staged(name, name, name, "h", 1, passages, vectors)


@pytest.mark.real
def test_characters_that_postgresql_cannot_store(address: str) -> None:
    library = PostgresLibrary.open(address)
    publish(library, staged("a", "nul\0here", "it's \\ a \U0001f600 'quote' -- ; DROP"))
    texts = [p.text for p in library.passages(library.live_ids()[0].tolist()).values()]
    assert texts == ["nul\N{REPLACEMENT CHARACTER}here", "it's \\ a \U0001f600 'quote' -- ; DROP"]


@pytest.mark.real
def test_libraries_of_one_database_do_not_meet(postgres: str) -> None:
    one, other = (PostgresLibrary.open(f"{postgres}/{uuid4().hex}") for _ in range(2))
    with one.writing(), other.writing():  # each has its own writer
        publish(one, staged("a", "apples"))
    assert (one.num_passages, other.num_passages) == (1, 0)
    assert other.match('"apples"', 5) == []


@pytest.mark.real
def test_a_catalog_lists_opens_and_removes(postgres: str) -> None:
    catalog, other = PostgresCatalog(postgres), PostgresCatalog(f"{postgres}/?application_name=other")
    tenant = f"t{uuid4().hex[:12]}"
    assert catalog.names(f"{tenant}.") == []
    with pytest.raises(LibraryError, match="no library"):
        catalog.open(f"{tenant}.papers")
    library = catalog.open(f"{tenant}.papers", must_exist=False)
    publish(library, staged("a", "apples"))
    catalog.open(f"{tenant}x.papers", must_exist=False).close()  # another tenant; shared connections stay open
    assert other.names(f"{tenant}.") == [f"{tenant}.papers"]
    assert other.open(f"{tenant}.papers").num_passages == 1
    assert other.identity(f"{tenant}.papers") == library.identity
    other.remove(f"{tenant}.papers")
    assert catalog.identity(f"{tenant}.papers") is None
    assert catalog.names(f"{tenant}.") == []
    with pytest.raises(LibraryError, match="too long"):
        catalog.open("x" * 56, must_exist=False)


def cut_lock(address: str, library: PostgresLibrary) -> None:
    """End the session that holds the writer's place, as an idle time-out or a failover does."""
    with psycopg.connect(library.database.address.conninfo, autocommit=True) as db:
        rows = db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND ((classid::bigint << 32) | objid::bigint) = hashtextextended(%s, 0)",
            (library.database.address.schema,),
        ).fetchall()
    assert rows == [(True,)]


@pytest.mark.real
@pytest.mark.parametrize(
    "late",
    [
        lambda library: library.publish(["a"], "enc"),
        lambda library: library.remove(["a"]),
        lambda library: library.stage([staged("c", "cherries")]),
        lambda library: library.discard_staged(),
    ],
    ids=["publish", "remove", "stage", "discard"],
)
def test_a_writer_that_lost_its_place_changes_nothing(address: str, late: Any) -> None:
    library, other = PostgresLibrary.open(address), PostgresLibrary.open(address)
    publish(library, staged("a", "old apples"))
    with library.writing():
        library.stage([staged("a", "late apples")])
        cut_lock(address, library)
        with other.writing():
            publish(other, staged("a", "new apples"), staged("b", "bananas"))
            other.stage([staged("a", "newest apples")])
        with pytest.raises(StorageError, match="was cut, and another process has written"):
            late(library)
    passages = library.passages(library.live_ids()[0].tolist())
    assert sorted(passage.text for passage in passages.values()) == ["bananas", "new apples"]
    assert list(library.hashes(is_live=False)) == ["a"]
    with library.writing():  # and it may try again
        publish(library, staged("a", "newest apples"))
    assert library.match('"newest"', 5)


@pytest.mark.real
def test_a_cut_lock_that_nobody_took_is_no_failure(address: str) -> None:
    library = PostgresLibrary.open(address)
    with library.writing():
        library.stage([staged("a", "apples")])
        cut_lock(address, library)
        library.publish(["a"], "enc")
    assert library.num_passages == 1


@pytest.mark.real
def test_the_place_belongs_to_a_thread(address: str) -> None:
    """Another thread of the same library that becomes the next writer does not speak for the former one."""
    library = PostgresLibrary.open(address)

    def take_over() -> None:
        with library.writing():
            publish(library, staged("a", "new apples"))

    with library.writing():
        library.stage([staged("a", "late apples")])
        cut_lock(address, library)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(take_over).result(timeout=30)
        with pytest.raises(StorageError, match="another process has written"):
            library.publish(["a"], "enc")
    assert [p.text for p in library.document_passages("a")] == ["new apples"]


@pytest.mark.real
def test_a_locked_passage_costs_no_question_its_answer(address: str) -> None:
    library = PostgresLibrary.open(address)
    publish(library, staged("a", "apples"))
    store = library.question_store()
    [row_id] = library.live_ids()[0].tolist()
    item = NewItem("q", row_id, np.ones(2, dtype=np.float32), 1.0)
    with library.database.transaction() as db:
        db.execute("SELECT 1 FROM passages FOR UPDATE")
        store.add([item])  # gives up
    assert len(store) == 0
    store.add([item])
    assert len(store) == 1


@pytest.mark.real
def test_a_library_without_the_table_of_questions_gets_it(address: str) -> None:
    """As versions made it that kept no questions in PostgreSQL; several sessions may be the first."""
    library = PostgresLibrary.open(address)
    publish(library, staged("a", "apples"))
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: library.question_store(), range(4)))
    assert [len(store) for store in stores] == [0] * 4


@pytest.mark.real
def test_kills_leave_the_previous_state_or_the_new_one(address: str, tmp_path: Path, embeddings: Any) -> None:
    settings: dict[str, Any] = {"embeddings": embeddings, "chunk_tokens": 16, "chunk_overlap_tokens": 0}
    engine = Engine.open(address, **settings)
    for version in range(6):
        for number in range(12):
            lines = [f"state {version} file {number} line {line} of a text." for line in range(12)]
            (tmp_path / f"{number}.txt").write_text("\n\n".join(lines))
        if version == 0:
            engine.add(tmp_path)
            continue
        adder = start_adding(address, tmp_path)
        time.sleep(0.06 * version)
        adder.kill()
        adder.join()
        passages = engine.library.passages(engine.library.live_ids()[0].tolist())
        assert len(passages) == 144
        assert len({passage.text.split()[1] for passage in passages.values()}) == 1
        assert sorted(passages) == sorted(row_id for row_id, _ in engine.library.match('"state"', 10_000))
    assert len(engine.add(tmp_path).failed) == 0  # the killed writers hold no lock: it would be refused after a minute
    assert {p.text.split()[1] for p in engine.library.passages(engine.library.live_ids()[0].tolist()).values()} == {"5"}


@pytest.mark.real
def test_the_engine_and_the_command_line_take_an_address(address: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The harbour master is Ines Corder.")
    missing = CliRunner().invoke(app, ["ls", address])
    assert missing.exit_code == 2
    assert "there is no library at postgresql://127.0.0.1" in missing.output
    added = CliRunner().invoke(app, ["add", address, str(tmp_path)])
    assert added.exit_code == 0, added.output
    listed = CliRunner().invoke(app, ["ls", address, "--json"])
    assert "note.txt" in listed.output
    assert PASSWORD not in missing.output + added.output + listed.output
    with Engine.open(address) as engine, pytest.raises(ConcordError, match="no document 'gone'") as caught:
        engine.remove(["gone"])
    assert PASSWORD not in str(caught.value)
