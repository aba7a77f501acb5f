"""The library on disk: staging, publishing, replacing, removing, and what each leaves behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rag.errors import LibraryError, StorageError
from rag.library import Library, Staged
from rag.types import Passage


def staged(doc_id: str, *texts: str, content_hash: str = "h") -> Staged:
    passages = [Passage(f"{doc_id}:{i}", doc_id, f"/{doc_id}", doc_id, text, i) for i, text in enumerate(texts)]
    vectors = np.array([[len(text), i] for i, text in enumerate(texts)], dtype=np.float32)
    return Staged(doc_id, f"/{doc_id}", doc_id, content_hash, sum(map(len, texts)), passages, vectors)


def publish(library: Library, *documents: Staged) -> None:
    library.stage(documents)
    library.publish([document.doc_id for document in documents], "enc")


def found(library: Library, word: str) -> list[str]:
    ids = [row_id for row_id, _ in library.match(f'"{word}"', 10)]
    return [passage.passage_id for passage in library.passages(ids).values()]


def test_staged_documents_are_invisible(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.stage([staged("a", "apples")])
    assert library.documents() == []
    assert found(library, "apples") == []
    assert len(library.vectors()[0]) == 0
    assert library.hashes(is_live=False) == {"a": "h"}
    library.publish(["a"], "enc")
    assert found(library, "apples") == ["a:0"]
    assert library.hashes(is_live=False) == {}


def test_what_was_read_back_is_what_was_written(tmp_path: Path) -> None:
    document = staged("a", "apples are red", "pears are green")
    publish(Library.open(tmp_path), document)
    library = Library.open(tmp_path, must_exist=True)
    ids, vectors, generation = library.vectors()
    assert list(library.passages([int(i) for i in ids]).values()) == list(document.passages)
    np.testing.assert_array_equal(vectors, document.vectors)
    assert generation == library.generation == 1
    assert library.encoder == "enc"
    assert [d.num_passages for d in library.documents()] == [2]


def test_a_replaced_document_leaves_nothing(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    publish(library, staged("a", "apples", "plums"), staged("b", "bananas"))
    publish(library, staged("a", "cherries", content_hash="new"))
    assert found(library, "apples") == found(library, "plums") == []
    assert found(library, "cherries") == ["a:0"]
    assert found(library, "bananas") == ["b:0"]
    assert library.num_passages == 2
    assert library.hashes(is_live=True) == {"a": "new", "b": "h"}


def test_a_removed_document_leaves_nothing(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    publish(library, staged("a", "apples"), staged("b", "bananas"))
    library.remove(["a"])
    assert found(library, "apples") == []
    assert [d.doc_id for d in library.documents()] == ["b"]
    with sqlite3.connect(tmp_path / "library.sqlite3") as db:
        assert db.execute("SELECT count(*) FROM passages").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM passages_fts").fetchone() == (1,)
    library.remove(["b"])
    assert library.encoder is None  # an empty library takes any encoder


def test_publishing_drops_other_staged_documents(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.stage([staged("left-over", "old")])
    publish(library, staged("a", "apples"))
    assert library.hashes(is_live=False) == {}
    assert found(library, "old") == []


def test_a_failing_stage_changes_nothing(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    publish(library, staged("a", "apples"))
    broken = staged("b", "bananas", "more")
    with pytest.raises(ValueError, match="zip"):
        library.stage([staged("c", "cherries"), Staged(**{**vars(broken), "vectors": broken.vectors[:1]})])
    assert library.hashes(is_live=False) == {}
    assert found(library, "apples") == ["a:0"]


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.check_encoder("anything")
    publish(library, staged("a", "apples"))
    with pytest.raises(LibraryError, match="made with encoder 'enc', not 'other'"):
        library.check_encoder("other")


def test_bad_places(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(LibraryError, match="is a file"):
        Library.open(file)
    with pytest.raises(LibraryError, match="no library at"):
        Library.open(tmp_path / "none", must_exist=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", [b"this is not a database, though it is long enough" * 50])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "library.sqlite3").write_bytes(content)
    with pytest.raises(StorageError, match=r"library\.sqlite3 is damaged"):
        Library.open(tmp_path)


def test_another_layout_is_refused(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    library.close()
    with sqlite3.connect(tmp_path / "library.sqlite3") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.close()
    with pytest.raises(StorageError, match="layout 99"):
        Library.open(tmp_path)


def test_two_open_libraries_see_each_other(tmp_path: Path) -> None:
    one, other = Library.open(tmp_path), Library.open(tmp_path)
    publish(one, staged("a", "apples"))
    assert found(other, "apples") == ["a:0"]
    assert other.generation == 1


def test_ties_go_by_row(tmp_path: Path) -> None:
    library = Library.open(tmp_path)
    publish(library, *(staged(name, "same words here") for name in "dbca"))
    ids: Sequence[int] = [row_id for row_id, _ in library.match('"same"', 10)]
    assert list(ids) == sorted(ids)
