"""The memory: what it knows again, what it forgets, and that it never outlives a source or dies with a process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from rag.core.errors import StorageError
from rag.core.passages import Passage, ScoredPassage
from rag.library.base import Library, Staged
from rag.library.open import open_library
from rag.library.sqlite.library import SqliteLibrary
from rag.models.sentence_encoder import EmbeddingsEncoder
from retrievers.question_cache.cache import QuestionCache, QuestionCacheSettings

TEXTS = {"mill": "the tide mill grinds corn", "bell": "the bell rings at noon", "boat": "the boat sails at dawn"}
SETTINGS = QuestionCacheSettings(min_similarity=0.7, min_hits=2, ttl_s=100.0, size=4)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def encoder(embeddings: Any) -> EmbeddingsEncoder:
    return EmbeddingsEncoder(embeddings, "hash")


@pytest.fixture
def library(place: str, encoder: EmbeddingsEncoder) -> Iterator[Library]:
    library = open_library(place)
    publish(library, encoder, TEXTS)
    yield library
    library.close()


@pytest.fixture
def in_folder(library: Library) -> SqliteLibrary:
    """For what is particular to a library's file."""
    assert isinstance(library, SqliteLibrary)
    return library


# What such tests need: the same fixtures over a library in a folder alone.
in_folder_only = pytest.mark.parametrize("place", ["folder"], indirect=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(library: Library, clock: Clock) -> Iterator[QuestionCache]:
    cache = QuestionCache(library, SETTINGS, clock)
    yield cache
    cache.close()


def publish(library: Library, encoder: EmbeddingsEncoder, texts: dict[str, str]) -> None:
    staged = [
        Staged(name, name, "", text, len(text), [Passage(f"{name}:0", name, name, "", text)], encoder.encode([text]))
        for name, text in texts.items()
    ]
    library.stage(staged)
    library.publish(list(texts), encoder.name)


def scored_passages(*names: str) -> list[ScoredPassage]:
    return [ScoredPassage(Passage(f"{name}:0", name, name, "", TEXTS[name]), 1.0) for name in names]


def remember(cache: QuestionCache, encoder: EmbeddingsEncoder, question: str, *names: str) -> None:
    cache.remember([question], encoder.encode([question]), [scored_passages(*names)])


def recall(cache: QuestionCache, encoder: EmbeddingsEncoder, question: str, top_k: int = 3) -> list[str] | None:
    hits = cache.recall([question], encoder.encode, [top_k])[0]
    return None if hits is None else [scored.passage.doc_id for scored in hits]


QUESTION = "what does the tide mill grind"


def test_scores_by_hand(cache: QuestionCache, encoder: EmbeddingsEncoder) -> None:
    remember(cache, encoder, QUESTION, "mill", "bell")
    asked, mill = encoder.encode([QUESTION, TEXTS["mill"]])
    item = 2 * asked + mill
    hits = cache.recall([QUESTION], encoder.encode, [3])[0]
    assert hits is not None
    assert hits[0].passage.text == TEXTS["mill"]
    assert hits[0].score == pytest.approx(float(asked @ item / np.linalg.norm(item)), abs=1e-5)
    assert hits[0].score >= hits[1].score >= SETTINGS.min_similarity


def test_the_trigger_needs_min_hits(cache: QuestionCache, encoder: EmbeddingsEncoder) -> None:
    assert recall(cache, encoder, QUESTION) is None
    remember(cache, encoder, QUESTION, "mill")
    assert recall(cache, encoder, QUESTION) is None  # one of two
    remember(cache, encoder, QUESTION, "boat")
    assert recall(cache, encoder, QUESTION) == ["mill", "boat"]
    assert recall(cache, encoder, QUESTION, top_k=1) == ["mill"]
    assert recall(cache, encoder, "who rings a loud bell over town") is None


def test_a_batch_recalls_each_question_as_alone(cache: QuestionCache, encoder: EmbeddingsEncoder) -> None:
    remember(cache, encoder, QUESTION, "mill", "boat")
    texts = ["something else", QUESTION, "what does the tide grind mill"]
    batch = cache.recall(texts, encoder.encode, [2, 2, 2])
    assert batch == [cache.recall([text], encoder.encode, [2])[0] for text in texts]
    assert [hits is None for hits in batch] == [True, False, False]


def test_the_same_words_are_not_encoded(cache: QuestionCache, encoder: EmbeddingsEncoder) -> None:
    """The remembered question's vector stands in: the same passages with the same scores."""
    remember(cache, encoder, QUESTION, "mill", "boat")
    encoded: list[str] = []

    def encode(texts: Sequence[str]) -> Any:
        encoded.extend(texts)
        return encoder.encode(texts)

    same = ["Can you tell me WHAT the tide-mill grinds?", "tide mill grind", QUESTION]
    hits = cache.recall([*same, "what does the tide grind mill"], encode, [3] * 4)
    assert encoded == ["what does the tide grind mill"]
    assert hits[0] is not None
    assert hits[0] == hits[1] == hits[2]
    assert hits[0][0].score >= hits[0][1].score >= SETTINGS.min_similarity


@pytest.mark.parametrize(
    ("remembered", "new"),
    [
        ("When was Edda Lindqvist of Port Selwick born?", "Where was Edda Lindqvist of Port Selwick born?"),
        ("Which states did sign the treaty of Selwick?", "Which states did not sign the treaty of Selwick?"),
        ("Who was the harbour master before Edda Lindqvist?", "Who was the harbour master after Edda Lindqvist?"),
        ("Who built the tide mill of Selwick in 1801?", "Who built the tide mill of Selwick in 1805?"),
        ("What is the first book of Edda Lindqvist?", "What is the third book of Edda Lindqvist?"),
    ],
)
def test_a_question_that_turns_on_another_word_is_new(
    library: Library, encoder: EmbeddingsEncoder, remembered: str, new: str
) -> None:
    """However near it is: the two differ in one word, and the trigger is set to pull at once."""
    cache = QuestionCache(library, QuestionCacheSettings(min_similarity=0.5, min_hits=1))
    remember(cache, encoder, remembered, "mill", "boat")
    assert encoder.encode([remembered])[0] @ encoder.encode([new])[0] > 0.8
    assert recall(cache, encoder, remembered) is not None
    assert recall(cache, encoder, new) is None
    cache.close()


def test_the_same_words_need_min_hits_too(cache: QuestionCache, encoder: EmbeddingsEncoder) -> None:
    remember(cache, encoder, QUESTION, "mill")
    assert recall(cache, encoder, f"Do you know {QUESTION}?") is None


def test_a_removed_source_takes_its_items(cache: QuestionCache, library: Library, encoder: EmbeddingsEncoder) -> None:
    remember(cache, encoder, QUESTION, "mill", "boat")
    library.remove(["mill"])
    assert len(cache) == 1
    assert recall(cache, encoder, QUESTION) is None


def test_a_changed_source_takes_its_items(cache: QuestionCache, library: Library, encoder: EmbeddingsEncoder) -> None:
    remember(cache, encoder, QUESTION, "mill", "boat", "bell")
    publish(library, encoder, {"mill": "the tide mill is closed"})
    assert sorted(recall(cache, encoder, QUESTION) or []) == ["bell", "boat"]


def test_what_is_gone_is_not_remembered(cache: QuestionCache, library: Library, encoder: EmbeddingsEncoder) -> None:
    library.remove(["mill"])
    remember(cache, encoder, QUESTION, "mill", "boat")
    assert len(cache) == 1


def test_the_items_in_memory_follow_the_table(
    cache: QuestionCache, library: Library, encoder: EmbeddingsEncoder
) -> None:
    """Whatever comes and goes, from here or elsewhere, leaves what reading all of it anew gives."""

    def add(where: QuestionCache, question: str) -> None:
        remember(where, encoder, question, "mill", "boat")

    questions = ["when does the tide mill grind", "where is the old bell", QUESTION]
    with open_cache(library) as other:
        steps = (
            lambda: add(cache, questions[0]),
            lambda: add(other, questions[1]),
            lambda: add(other, questions[0]),  # replaces its items, at the same moment
            lambda: library.remove(["boat"]),
            lambda: add(cache, questions[2]),
            other.clear,
            lambda: add(cache, questions[1]),
        )
        for step in steps:
            step()
            with open_cache(library) as fresh:
                for question in questions:
                    assert recall(cache, encoder, question) == recall(fresh, encoder, question)
                    assert recall(other, encoder, question) == recall(fresh, encoder, question)


def test_items_age(cache: QuestionCache, encoder: EmbeddingsEncoder, clock: Clock) -> None:
    remember(cache, encoder, QUESTION, "mill", "boat")
    clock.now += 99
    assert recall(cache, encoder, QUESTION) is not None
    clock.now += 2  # recalling does not make them younger
    assert recall(cache, encoder, QUESTION) is None
    remember(cache, encoder, "when does the bell ring", "bell")
    assert len(cache) == 1


def test_the_least_recently_used_go(cache: QuestionCache, encoder: EmbeddingsEncoder, clock: Clock) -> None:
    for number, question in enumerate((QUESTION, "when does the bell ring today")):
        clock.now += number
        remember(cache, encoder, question, "mill", "bell")
    clock.now += 1
    assert recall(cache, encoder, QUESTION) is not None  # used last now
    clock.now += 1
    remember(cache, encoder, "which boat sails so early", "boat", "bell")
    assert len(cache) == SETTINGS.size
    assert recall(cache, encoder, QUESTION) is not None
    assert recall(cache, encoder, "when does the bell ring today") is None


@in_folder_only
def test_a_locked_library_is_answered_without(
    cache: QuestionCache, in_folder: SqliteLibrary, encoder: EmbeddingsEncoder
) -> None:
    other = sqlite3.connect(in_folder.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    remember(cache, encoder, QUESTION, "mill", "boat")
    other.execute("ROLLBACK")
    other.close()
    assert len(cache) == 0
    remember(cache, encoder, QUESTION, "mill", "boat")
    assert len(cache) == 2


@in_folder_only
def test_a_damaged_memory_is_one_error(in_folder: SqliteLibrary, encoder: EmbeddingsEncoder) -> None:
    with open_cache(in_folder) as cache:
        remember(cache, encoder, QUESTION, "mill", "boat")
    db = sqlite3.connect(in_folder.file)
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'reservoir'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with in_folder.file.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with open_cache(in_folder) as cache:
        with pytest.raises(StorageError, match="without the question cache"):
            recall(cache, encoder, QUESTION)
        with pytest.raises(StorageError, match="concord check"):
            remember(cache, encoder, QUESTION, "bell")
    assert len(in_folder.documents()) == len(TEXTS)


@in_folder_only
@pytest.mark.parametrize("table", ["reservoir", "passages"])
def test_a_vector_that_was_cut_is_passed_over(
    cache: QuestionCache, in_folder: SqliteLibrary, encoder: EmbeddingsEncoder, table: str
) -> None:
    remember(cache, encoder, QUESTION, "mill", "boat", "bell")
    with sqlite3.connect(in_folder.file) as db:
        db.execute(f"UPDATE {table} SET vector = substr(vector, 9) WHERE id = (SELECT min(id) FROM {table})")
    db.close()
    assert sorted(recall(cache, encoder, QUESTION) or []) == ["bell", "boat"]


@contextmanager
def open_cache(library: Library) -> Iterator[QuestionCache]:
    cache = QuestionCache(library, SETTINGS, Clock())
    yield cache
    cache.close()


@in_folder_only
def test_survives_a_kill(in_folder: SqliteLibrary, encoder: EmbeddingsEncoder, clock: Clock) -> None:
    program = f"""
        import sys, os, signal
        sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
        import numpy as np
        from rag.library.sqlite.library import SqliteLibrary
        from rag.core.passages import Passage, ScoredPassage
        from retrievers.question_cache.cache import QuestionCache
        library = SqliteLibrary.open({str(in_folder.folder)!r})
        cache = QuestionCache(library, clock=lambda: 1000.0)
        rows = library.rows_by_passage_id(["mill:0", "boat:0"])
        ranking = [ScoredPassage(Passage(name, name, name, "", ""), 1.0) for name in rows]
        cache.remember(["q"], np.stack([rows["mill:0"][1]]), [ranking])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=os.environ, timeout=120)
    assert done.returncode == -signal.SIGKILL
    cache = QuestionCache(in_folder, SETTINGS, clock)
    assert len(cache) == 2
    assert recall(cache, encoder, TEXTS["mill"]) == ["mill", "boat"]
    cache.close()


def test_no_question_waits_for_the_encoding_of_another(
    cache: QuestionCache, library: Library, encoder: EmbeddingsEncoder
) -> None:
    remember(cache, encoder, QUESTION, "mill", "boat", "bell")
    answered: list[int] = []

    def encode(texts: Sequence[str]) -> Any:
        other = Thread(target=lambda: answered.append(len(cache)), daemon=True)
        other.start()
        other.join(timeout=20)
        return encoder.encode(texts)

    cache.recall(["something else altogether"], encode, [3])
    assert answered == [3]
