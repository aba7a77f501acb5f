"""The contract of a question store, in every kind of library."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from rag.library.base import Library
from rag.library.open import open_library
from rag.library.question_store import NewItem, QuestionStore
from tests.rag.library.test_contract import publish, staged

VECTOR = np.array([0.6, 0.8], dtype=np.float32)


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    library = open_library(place)
    publish(library, staged("a", "apples", "plums"), staged("b", "bananas"))
    yield library
    library.close()


@pytest.fixture
def store(library: Library) -> Iterator[QuestionStore]:
    store = library.question_store()
    yield store
    store.close()


def item(library: Library, question: str, passage_id: str = "a:0", created_at: float = 10.0) -> NewItem:
    return NewItem(question, library.rows_by_passage_id([passage_id])[passage_id][0], VECTOR, created_at)


def questions(store: QuestionStore) -> list[str]:
    return [stored.question for stored in store.read(0)]


def test_what_is_read_is_what_was_added(library: Library, store: QuestionStore) -> None:
    added = [item(library, "what is it?", "a:1", 10.5), item(library, "where?\n\U0001f600", "b:0", 11.0)]
    store.add(added)
    again = library.question_store()
    stored = again.read(0)
    assert [s.question for s in stored] == [a.question for a in added]
    assert [(s.row_id, s.created_at) for s in stored] == [(a.row_id, a.created_at) for a in added]
    for one in stored:
        np.testing.assert_array_equal(one.vector, VECTOR)
        np.testing.assert_array_equal(one.passage_vector, library.vectors_by_id([one.row_id])[1][0])
    assert again.ages() == {one.item_id: one.created_at for one in stored}
    assert len(again) == 2
    assert [s.item_id for s in again.read(stored[0].item_id)] == [stored[1].item_id]
    again.close()


def test_an_item_replaces_the_one_with_its_question_and_passage(library: Library, store: QuestionStore) -> None:
    store.add([item(library, "q"), item(library, "q", "a:1")])
    before = store.ages()
    store.add([item(library, "q", created_at=20.0)])
    assert sorted(store.ages().values()) == [10.0, 20.0]
    new = set(store.ages()) - set(before)
    assert new
    assert min(new) > max(before)  # readers ask for what is above the last id they know


def test_a_removed_passage_takes_its_items(library: Library, store: QuestionStore) -> None:
    store.add([item(library, "q"), item(library, "q", "b:0")])
    library.remove(["b"])
    assert len(store) == 1
    publish(library, staged("a", "other apples"))
    assert len(store) == 0
    assert store.read(0) == []


def test_passages_that_are_gone_are_left_out(library: Library, store: QuestionStore) -> None:
    late = item(library, "late", "b:0")
    library.remove(["b"])
    store.add([item(library, "q"), late])
    assert questions(store) == ["q"]


def test_the_version_tells_of_every_change(library: Library, store: QuestionStore) -> None:
    other = library.question_store()
    versions = [store.version()]

    def has_changed() -> bool:
        versions.append(store.version())
        return versions[-1] != versions[-2]

    store.add([item(library, "one")])
    assert has_changed()
    other.add([item(library, "two")])
    assert has_changed()
    other.add([item(library, "two")])  # replaced at the same moment
    assert has_changed()
    assert not has_changed()
    library.remove(["a"])
    assert has_changed()
    other.add([item(library, "three", "b:0")])
    assert has_changed()
    other.clear()
    assert has_changed()
    other.close()


def test_trimming_drops_the_old_then_the_unused(library: Library, store: QuestionStore) -> None:
    store.add([item(library, f"q{number}", created_at=10.0 + number) for number in range(6)])
    ids = {stored.question: stored.item_id for stored in store.read(0)}
    store.trim(created_after=12.0, max_items=100)
    assert questions(store) == ["q2", "q3", "q4", "q5"]
    store.touch([ids["q2"]], 50.0)
    store.trim(created_after=0.0, max_items=2)
    assert questions(store) == ["q2", "q5"]
    store.clear()
    assert len(store) == 0


def test_vectors_of_another_length_are_left_out(library: Library, store: QuestionStore) -> None:
    short = NewItem("short", item(library, "q").row_id, VECTOR[:1], 10.0)
    store.add([short, item(library, "q")])
    assert questions(store) == ["q"]
    assert len(store) == len(store.ages()) == 1
