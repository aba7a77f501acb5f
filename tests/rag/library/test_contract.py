"""The contract of a library, wherever it is kept: staging, publishing, replacing, removing, and what each leaves."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from rag.core.errors import LibraryError, StorageError
from rag.core.passages import Passage
from rag.library.base import Library, Staged
from rag.library.open import open_library
from retrievers.sparse import match_expression


def staged(doc_id: str, *texts: str, content_hash: str = "h") -> Staged:
    passages = [
        Passage(f"{doc_id}:{i}", doc_id, f"/{doc_id}", doc_id, text, i, f"page {i}", f"Fruit > {i}", "2023-05")
        for i, text in enumerate(texts)
    ]
    vectors = np.array([[len(text), i] for i, text in enumerate(texts)], dtype=np.float32)
    return Staged(doc_id, f"/{doc_id}", doc_id, content_hash, sum(map(len, texts)), passages, vectors, "2023-05")


def publish(library: Library, *documents: Staged) -> None:
    library.stage(documents)
    library.publish([document.doc_id for document in documents], "enc")


def find_word(library: Library, word: str) -> list[str]:
    ids = [row_id for row_id, _ in library.match(f'"{word}"', 10)]
    return [passage.passage_id for passage in library.passages(ids).values()]


def test_staged_documents_are_invisible(place: str) -> None:
    library = open_library(place)
    library.stage([staged("a", "apples")])
    assert library.documents() == []
    assert find_word(library, "apples") == []
    assert len(library.vectors()[0]) == len(library.live_ids()[0]) == library.num_passages == 0
    assert library.hashes(is_live=False) == {"a": "h"}
    library.publish(["a"], "enc")
    assert find_word(library, "apples") == ["a:0"]
    assert library.hashes(is_live=False) == {}


def test_what_was_read_back_is_what_was_written(place: str) -> None:
    document = staged("a", "apples are red", "pears are green")
    publish(open_library(place), document)
    library = open_library(place, must_exist=True)
    ids, vectors, generation = library.vectors()
    assert list(library.passages([int(i) for i in ids]).values()) == list(document.passages)
    np.testing.assert_array_equal(vectors, document.vectors)
    part_ids, part_vectors = library.vectors_by_id([int(ids[1]), 10**9])
    assert part_ids.tolist() == [ids[1]]
    np.testing.assert_array_equal(part_vectors, document.vectors[1:])
    assert library.live_ids()[0].tolist() == ids.tolist()
    assert generation == library.live_ids()[1] == library.generation == 1
    assert library.encoder == "enc"
    assert [d.num_passages for d in library.documents()] == [2]


def test_a_replaced_document_leaves_nothing(place: str) -> None:
    library = open_library(place)
    publish(library, staged("a", "apples", "plums"), staged("b", "bananas"))
    before = set(library.live_ids()[0].tolist())
    publish(library, staged("a", "cherries", content_hash="new"))
    assert find_word(library, "apples") == find_word(library, "plums") == []
    assert find_word(library, "cherries") == ["a:0"]
    assert find_word(library, "bananas") == ["b:0"]
    assert library.num_passages == 2
    assert library.hashes(is_live=True) == {"a": "new", "b": "h"}
    assert len(set(library.live_ids()[0].tolist()) - before) == 1  # row ids are not used twice


def test_a_removed_document_leaves_nothing(place: str) -> None:
    library = open_library(place)
    publish(library, staged("a", "apples"), staged("b", "bananas"))
    library.remove(["a"])
    assert find_word(library, "apples") == []
    assert [d.doc_id for d in library.documents()] == ["b"]
    assert len(library.vectors()[0]) == library.num_passages == 1
    library.remove(["b"])
    assert library.encoder is None  # an empty library takes any encoder
    assert library.generation == 3


def test_publishing_drops_other_staged_documents(place: str) -> None:
    library = open_library(place)
    library.stage([staged("left-over", "old")])
    publish(library, staged("a", "apples"))
    assert library.hashes(is_live=False) == {}
    assert find_word(library, "old") == []
    library.stage([staged("b", "bananas")])
    library.discard_staged()
    assert library.hashes(is_live=False) == {}


def test_a_failing_stage_changes_nothing(place: str) -> None:
    library = open_library(place)
    publish(library, staged("a", "apples"))
    broken = staged("b", "bananas", "more")
    with pytest.raises(ValueError, match="zip"):
        library.stage([staged("c", "cherries"), Staged(**{**vars(broken), "vectors": broken.vectors[:1]})])
    assert library.hashes(is_live=False) == {}
    assert find_word(library, "apples") == ["a:0"]


def test_a_publication_that_lacks_a_document_changes_nothing(place: str) -> None:
    """As when another process has published, and with it dropped what was staged here."""
    library, other = open_library(place), open_library(place)
    publish(library, staged("a", "apples"), staged("b", "bananas"))
    library.stage([staged("a", "cherries"), staged("b", "berries")])
    other.stage([staged("b", "plums")])
    other.publish(["b"], "enc")
    with pytest.raises(StorageError, match=r"2 of 2 documents that were staged .* are gone"):
        library.publish(["a", "b"], "enc")
    assert find_word(library, "apples") == ["a:0"]
    assert find_word(library, "plums") == ["b:0"]
    assert library.generation == 2


def test_a_document_is_published_once(place: str) -> None:
    library = open_library(place)
    library.stage([staged("a", "apples")])
    library.publish(["a", "a"], "enc")
    assert library.num_passages == 1


def test_rows_by_passage_id_know_their_own_ids_only(place: str) -> None:
    library = open_library(place)
    publish(library, staged("a", "apples", "plums"), staged("b:c", "bananas"))
    library.stage([staged("d", "dates")])
    rows = library.rows_by_passage_id(["a:1", "b:c:0", "a:1", "d:0", *FOREIGN_IDS])
    assert sorted(rows) == ["a:1", "b:c:0"]
    for passage_id, (row_id, vector) in rows.items():
        assert library.passages([row_id])[row_id].passage_id == passage_id
        np.testing.assert_array_equal(vector, library.vectors_by_id([row_id])[1][0])
    assert library.rows_by_passage_id([]) == library.rows_by_passage_id(FOREIGN_IDS) == {}


FOREIGN_IDS = ["", "a", "a:", ":1", "a:x", "a:-1", "a:01", "a: 1", "a:1.0", "a:\u0661", "a:99999999999999999999"]
FOREIGN_IDS += ["a:2", "a\0:1", "\ud800:1", "https://example.org/page:80", "a:1:1"]


def test_many_rows_are_one_transaction(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = open_library(place)
    publish(library, *(staged(f"d{number}", "one", "two") for number in range(40)))
    database = library.database  # type: ignore[attr-defined]
    calls: list[str] = []
    for name in ("reading", "transaction", "read"):
        if begin := getattr(database, name, None):
            monkeypatch.setattr(database, name, lambda *args, begin=begin: (calls.append(""), begin(*args))[1])
    assert len(library.rows_by_passage_id([f"d{number}:{i}" for number in range(40) for i in range(2)])) == 80
    assert len(calls) == 1


def test_a_document_gives_its_passages_in_order(place: str) -> None:
    library = open_library(place)
    document = staged("a", "apples", "plums", "pears")
    publish(library, document, staged("b", "bananas"))
    assert library.document_passages("a") == list(document.passages)
    assert library.document_passages("gone") == []


def test_another_process_can_open_it(place: str) -> None:
    library = open_library(place)
    publish(library, staged("a", "apples"))
    again = pickle.loads(pickle.dumps(library.opener()))()
    assert again.identity == library.identity
    assert find_word(again, "apples") == ["a:0"]


def test_the_dense_index_follows_the_library(place: str) -> None:
    library = open_library(place)
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    index = library.dense_index()
    assert index.search(query, 5) == [[]]
    publish(library, staged("a", "four", "fives"), staged("b", "six", "sevens"))
    ids = {p.text: row_id for row_id, p in library.passages(library.live_ids()[0].tolist()).items()}
    assert index.search(query, 2) == [[(ids["sevens"], 6.0), (ids["fives"], 5.0)]]
    library.remove(["b"])
    assert [row_id for row_id, _ in index.search(query, 9)[0]] == [ids["fives"], ids["four"]]
    assert library.dense_index() is index


def test_the_probe_is_kept_until_the_library_is_empty(place: str) -> None:
    library = open_library(place)
    assert library.probe is None
    probe = np.array([0.1, -0.7, 3.0], dtype=np.float32)
    library.keep_probe(probe)
    publish(library, staged("a", "apples"))
    read_probe = open_library(place).probe
    assert read_probe is not None
    np.testing.assert_array_equal(read_probe, probe)
    library.remove(["a"])
    assert library.probe is None


def test_another_encoder_is_refused(place: str) -> None:
    library = open_library(place)
    library.check_encoder("anything")
    publish(library, staged("a", "apples"))
    with pytest.raises(LibraryError, match="made with encoder 'enc', not 'other'"):
        library.check_encoder("other")


def test_a_missing_library_is_not_made(place: str) -> None:
    for _ in range(2):
        with pytest.raises(LibraryError, match="no library at"):
            open_library(place, must_exist=True)


def test_two_open_libraries_see_each_other(place: str) -> None:
    one, other = open_library(place), open_library(place)
    publish(one, staged("a", "apples"))
    assert find_word(other, "apples") == ["a:0"]
    assert other.generation == 1
    assert one.identity == other.identity != ""


def test_one_writer_at_a_time(place: str) -> None:
    one, other = open_library(place), open_library(place)
    order: list[str] = []
    is_inside = Event()

    def second() -> None:
        is_inside.wait()
        with other.writing():
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with one.writing():
            waiting = pool.submit(second)
            is_inside.set()
            publish(one, staged("a", "apples"))
            order.append("first")
        waiting.result(timeout=30)
    assert order == ["first", "second"]


def test_ties_go_by_row(place: str) -> None:
    library = open_library(place)
    publish(library, *(staged(name, "same words here") for name in "dbca"))
    ids: Sequence[int] = [row_id for row_id, _ in library.match('"same"', 10)]
    assert len(ids) == 4
    assert list(ids) == sorted(ids)


@pytest.mark.parametrize("expression", ['"fish"', '"cafe"', '"running" OR "42"', '"neon"', '"or"', '""', '"の"'])
def test_words_are_found_by_stem_and_without_accents(place: str, expression: str) -> None:
    library = open_library(place)
    texts = ["fishing boats", "Café by the sea", "he runs at 42.5 knots", "NEON_lights or none", "猫の手", "nothing"]
    publish(library, *(staged(f"d{i}", text) for i, text in enumerate(texts)))
    expected = {'"fish"': ["d0:0"], '"cafe"': ["d1:0"], '"running" OR "42"': ["d2:0"], '"neon"': ["d3:0"]}
    expected |= {'"or"': ["d3:0"], '"の"': ["d4:0"]}
    hits = library.match(expression, 10)
    assert [p.passage_id for p in library.passages([i for i, _ in hits]).values()] == expected.get(expression, [])
    assert all(score > 0 for _, score in hits)


def test_extractions_follow_their_content(place: str) -> None:
    library = open_library(place)
    publish(library, staged("a", "apples", "pears"))
    first, second = (int(i) for i in library.live_ids()[0])
    library.keep_extractions("reader", {first: b"one", second: b"two"})
    library.keep_extractions("reader", {first: b"1"})
    assert library.extractions("reader", [first, second, 10**9]) == {first: b"1", second: b"two"}
    assert library.extractions("another", [first]) == {}
    publish(library, staged("a", "apples", content_hash="new"))  # as before, but without the pears
    (again,) = (int(i) for i in library.live_ids()[0])
    assert library.extractions("reader", [again]) == {again: b"1"}
    generation = library.generation
    library.keep_extractions("reader", {again: b"!"}, is_import=True)
    assert library.imported_at == library.generation == generation + 1
    library.remove(["a"])
    publish(library, staged("a", "apples"))
    assert library.extractions("reader", library.live_ids()[0].tolist()) == {}


def test_readers_see_whole_publications_only(place: str) -> None:
    library, reader = open_library(place), open_library(place)
    publish(library, *(staged(name, "state 0") for name in "abcd"))

    def write() -> None:
        for number in range(1, 9):
            publish(library, *(staged(name, f"state {number}", content_hash=str(number)) for name in "abcd"))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            hashes = set(reader.hashes(is_live=True).values())
            assert len(hashes) == 1
            ids, vectors, _ = reader.vectors()
            assert len(ids) == len(vectors) == 4
    writing.result()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("港口主任是李小龙，他的办公室在旧灯塔旁边。", "灯塔"),
        ("港の責任者は山田花子で、事務所は灯台の隣にある。", "事務所"),
        ("항구 책임자는 김민수이고 사무실은 등대 옆에 있다.", "김민수"),
        ("مدير الميناء هو سامي الخوري ومكتبه قرب المنارة.", "المنارة"),
        ("बंदरगाह के प्रबंधक राजेश शर्मा हैं।", "शर्मा"),
        ("ผู้จัดการท่าเรือคือสมชาย ใจดี", "สมชาย"),
        ("The ﬁnal oﬀer for the ﬂoating dock", "floating"),
        ("a new founda-\ntion", "foundation"),
        ("ＡＢＣ", "abc"),
        ("Größe", "GROSSE"),
    ],
)
def test_words_of_any_script_are_found(place: str, text: str, word: str) -> None:
    library = open_library(place)
    publish(library, staged("a", text), staged("b", "小港 the offer on the dock के हैं คือ 책임 من مدير"))
    ids = [row_id for row_id, _ in library.match(match_expression(word), 10)]
    assert next(iter(library.passages(ids).values())).passage_id == "a:0"


def test_a_passage_is_found_by_the_headings_above_it(place: str) -> None:
    library = open_library(place)
    publish(library, staged("a", "apples", "pears"))
    assert sorted(find_word(library, "fruit")) == ["a:0", "a:1"]
    assert find_word(library, "1") == ["a:1"]
