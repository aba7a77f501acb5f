"""The vector index: both kinds against brute force, rows that come and go, its file, and who may touch it when."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.core.passages import Passage
from rag.library.base import Staged, Vectors
from rag.library.sqlite import index_build
from rag.library.sqlite.dense import FaissIndex
from rag.library.sqlite.index_build import build_index, exact_neighbours, update_index
from rag.library.sqlite.index_file import INDEX_FILE, IndexFileError, read_index, save_index
from rag.library.sqlite.library import SqliteLibrary
from rag.library.sqlite.vector_index import VectorIndex

DIMENSION = 32


def unit(vectors: Vectors) -> Vectors:
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def documents(first: int, count: int, seed: int = 0) -> list[Staged]:
    """One passage each, their vectors in clumps as those of texts are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((40, DIMENSION))
    vectors = unit(centres[rng.integers(40, size=count)] + 0.5 * rng.standard_normal((count, DIMENSION)))
    names = [f"d{first + i:05}" for i in range(count)]
    return [
        Staged(name, name, name, name, 4, [Passage(f"{name}:0", name, name, name, "text")], vectors[i : i + 1])
        for i, name in enumerate(names)
    ]


def publish(library: SqliteLibrary, staged: list[Staged]) -> None:
    library.stage(staged)
    library.publish([item.doc_id for item in staged], "enc")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of 3,000 documents; every test gets a copy."""
    folder = tmp_path_factory.mktemp("filled")
    library = SqliteLibrary.open(folder)
    publish(library, documents(0, 3000))
    library.close()
    return folder


@pytest.fixture
def library(filled: Path, tmp_path: Path) -> Iterator[SqliteLibrary]:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    library = SqliteLibrary.open(tmp_path)
    yield library
    library.close()


@pytest.fixture
def is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes 1,000 vectors a large library."""
    monkeypatch.setattr(index_build, "EXACT_LIMIT", 1000)


def queries(count: int = 20) -> Vectors:
    return np.concatenate([item.vectors for item in documents(0, count, seed=5)])


def recall(index: VectorIndex, library: SqliteLibrary) -> float:
    hits = [{i for i, _ in row} for row in index.search(library, queries(), 10)]
    exact = exact_neighbours(library, library.live_ids()[0], queries())
    return float(np.mean([len(a & b) / 10 for a, b in zip(hits, exact, strict=True)]))


def test_the_exact_index_is_brute_force(library: SqliteLibrary) -> None:
    ids, vectors, _ = library.vectors()
    index = build_index(library, ids)
    assert index.info.kind == "exact"
    for query, row in zip(queries(), index.search(library, queries(), 7), strict=True):
        scores = vectors @ query
        assert [i for i, _ in row] == ids[np.argsort(-scores, kind="stable")[:7]].tolist()
        assert [s for _, s in row] == pytest.approx(sorted(scores, reverse=True)[:7], abs=1e-6)


@pytest.mark.usefixtures("is_large")
def test_a_large_library_is_quantised_and_scores_stay_exact(library: SqliteLibrary) -> None:
    ids, vectors, _ = library.vectors()
    index = build_index(library, ids)
    assert index.info.kind == "ivfpq"
    assert index.info.recall_at_10 >= index_build.MIN_RECALL
    assert recall(index, library) >= 0.95
    for query, row in zip(queries(), index.search(library, queries(), 5), strict=True):
        for row_id, score in row:
            assert score == pytest.approx(float(vectors[ids.tolist().index(row_id)] @ query), abs=1e-6)


@pytest.mark.usefixtures("is_large")
def test_vectors_that_do_not_quantise_stay_exact(library: SqliteLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_build, "MIN_RECALL", 1.1)
    index = build_index(library, library.live_ids()[0])
    assert index.info.kind == "exact"
    assert update_index(index, library, library.live_ids()[0]) is index


@pytest.mark.parametrize("limit", [1000, 20_000])
def test_rows_come_and_go_without_a_rebuild(
    library: SqliteLibrary, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(index_build, "EXACT_LIMIT", limit)
    first = build_index(library, library.live_ids()[0])
    before = first.ids
    publish(library, documents(2990, 200, seed=1))  # ten replaced, the others new
    library.remove([f"d{i:05}" for i in range(100)])
    monkeypatch.setattr(index_build, "build_index", lambda *_: pytest.fail("it was built again"))
    second = update_index(first, library, library.live_ids()[0])
    assert second.ids.tolist() == library.live_ids()[0].tolist()
    assert first.ids.tolist() == before.tolist()  # whoever searches it meanwhile is not disturbed
    assert recall(second, library) >= 0.95
    assert update_index(second, library, library.live_ids()[0]) is second


@pytest.mark.usefixtures("is_large")
def test_the_kind_follows_the_size(library: SqliteLibrary) -> None:
    index = build_index(library, library.live_ids()[0])
    library.remove([f"d{i:05}" for i in range(2600)])
    index = update_index(index, library, library.live_ids()[0])
    assert index.info.kind == "exact"
    publish(library, documents(0, 2600))
    assert update_index(index, library, library.live_ids()[0]).info.kind == "ivfpq"


def test_an_emptied_library_may_get_another_encoder(tmp_path: Path) -> None:
    library = SqliteLibrary.open(tmp_path)
    publish(library, documents(0, 5))
    index = build_index(library, library.live_ids()[0])
    library.remove([f"d{i:05}" for i in range(5)])
    passage = Passage("e:0", "e", "e", "e", "text")
    publish(library, [Staged("e", "e", "e", "e", 4, [passage], np.eye(3, dtype=np.float32)[:1])])
    assert update_index(index, library, library.live_ids()[0]).index.d == 3


def test_a_dimension_without_divisors_has_one_code() -> None:
    assert [index_build._num_codes(d) for d in (384, 32, 7, 6, 1)] == [96, 8, 1, 1, 1]


@pytest.mark.usefixtures("is_large")
def test_the_file_gives_back_what_was_saved(library: SqliteLibrary, tmp_path: Path) -> None:
    index = build_index(library, library.live_ids()[0])
    file = tmp_path / INDEX_FILE
    assert save_index(index, file)
    again = read_index(file, library.identity)
    assert again.info == index.info
    assert again.ids.tolist() == index.ids.tolist()
    assert again.search(library, queries(), 5) == index.search(library, queries(), 5)


def test_files_of_no_use_are_refused(library: SqliteLibrary, tmp_path: Path) -> None:
    file = tmp_path / INDEX_FILE
    save_index(build_index(library, library.live_ids()[0]), file)
    content = file.read_bytes()
    with pytest.raises(IndexFileError, match="another library"):
        read_index(file, "somebody else's")
    for position in (5, 60, 500, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(IndexFileError):
            read_index(file, library.identity)
    for length in (0, 10, 100, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(IndexFileError):
            read_index(file, library.identity)
    file.unlink()
    with pytest.raises(IndexFileError, match="No such file"):
        read_index(file, library.identity)
    assert not save_index(build_index(library, library.live_ids()[0]), tmp_path / "missing" / INDEX_FILE)


@pytest.mark.usefixtures("is_large")
def test_a_stale_file_is_brought_up_to_date(library: SqliteLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill between a publication and the writing of the file, or of a file that is too new."""
    file = library.folder / INDEX_FILE
    query = queries(1)

    def search() -> list[list[tuple[int, float]]]:
        """As another process would."""
        return FaissIndex(library, file).search(query, 10)

    search()
    old = file.read_bytes()
    publish(library, documents(3000, 50, seed=2))
    expected = search()
    newer = file.read_bytes()
    assert newer != old
    file.write_bytes(old)
    monkeypatch.setattr("rag.library.sqlite.dense.build_index", lambda *_: pytest.fail("it was built again"))
    assert search() == expected
    library.remove([f"d{i:05}" for i in range(3000, 3050)])
    search()
    file.write_bytes(newer)
    index = FaissIndex(library, file).current
    assert index is not None
    assert index.ids.tolist() == library.live_ids()[0].tolist()


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_file_is_made_again(library: SqliteLibrary, damage: bytes | None) -> None:
    file = library.folder / INDEX_FILE
    expected = FaissIndex(library, file).search(queries(1), 3)
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    assert FaissIndex(library, file).search(queries(1), 3) == expected
    assert file.stat().st_size > 100


def test_files_do_not_pile_up(library: SqliteLibrary) -> None:
    (library.folder / "dense-7.faiss").write_bytes(b"of an earlier version")
    for number in range(3):
        publish(library, documents(4000 + number, 1, seed=number))
        library.dense_index().search(queries(1), 1)
    assert [file.name for file in library.folder.glob("*dense*")] == [INDEX_FILE]


@pytest.mark.usefixtures("is_large")
def test_threads_search_while_documents_come_and_go(library: SqliteLibrary) -> None:
    index = library.dense_index()
    assert library.dense_index() is index
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                for hits in index.search(queries(2), 10):
                    passages = library.passages([row_id for row_id, _ in hits])
                    assert len(passages) >= 9  # one may have been removed between the index and the passages
        except BaseException as error:  # handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        publish(library, documents(5000 + number, 1, seed=number))
        library.remove([f"d{number:05}"])
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
