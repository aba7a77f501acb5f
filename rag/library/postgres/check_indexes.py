"""Checking and repairing what is derived from the texts of a library in PostgreSQL: words, totals and indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from psycopg import Connection

from rag.library.checking import Damage
from rag.library.postgres.database import LIVE, get_meta, next_generation
from rag.library.postgres.dense import EXACT_LIMIT, build_index, drop_index
from rag.library.postgres.word_lists import has_lists, list_all_words
from rag.library.postgres.words import count_wrong, write_words

Transaction = Callable[[], AbstractContextManager[Connection[Any]]]
_IS_INDEX = "SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(quote_ident(current_schema()) || %s)"


def check_sparse_index(transaction: Transaction) -> Iterator[Damage]:
    """Each passage's words must be those of its text; BM25 needs their totals and their lists."""
    with transaction() as db:
        num_wrong = count_wrong(db)
        has_totals = _totals(db) == (get_meta(db, "num_passages"), get_meta(db, "num_words"))
        is_listed = has_lists(db)
    if num_wrong:
        yield Damage("sparse index", f"{num_wrong} passages are not in it as they are", partial(_split, transaction))
    if not has_totals:
        problem = "the totals of passages and words are wrong, and with them all scores"
        yield Damage("sparse index", problem, partial(_count_again, transaction))
    if not is_listed and not num_wrong:  # else they are made anew with the words
        problem = "its lists are not those of the passages' words"
        yield Damage("sparse index", problem, partial(_list_again, transaction))


def _split(transaction: Transaction) -> None:
    """Write all passages' words again."""
    with transaction() as db:
        write_words(db)
        list_all_words(db)
        next_generation(db)


def _totals(db: Connection[Any]) -> tuple[str, str]:
    row = db.execute(f"SELECT count(*), coalesce(sum(p.num_words), 0) FROM {LIVE}").fetchone()
    num_passages, num_words = row or (0, 0)
    return str(num_passages), str(num_words)


def _count_again(transaction: Transaction) -> None:
    with transaction() as db:
        next_generation(db)


def _has_index(db: Connection[Any], name: str) -> bool:
    return db.execute(_IS_INDEX, (name,)).fetchone() == (True,)


def _list_again(transaction: Transaction) -> None:
    with transaction() as db:
        list_all_words(db)


def check_dense_index(transaction: Transaction) -> Iterator[Damage]:
    """A small library has no index over its vectors, a large one has, and what the library says of it must be true."""
    with transaction() as db:
        indexed = get_meta(db, "indexed_dimension")
        is_there = _has_index(db, ".passages_by_vector")
        num_passages = int(_totals(db)[0])
    is_needed = indexed is None and num_passages > EXACT_LIMIT
    if is_needed or (indexed not in (None, "0") and not is_there):
        problem = "it is missing or unfinished; searches read every vector"
        yield Damage("vector index", problem, partial(_index_vectors, transaction))


def _index_vectors(transaction: Transaction) -> None:
    with transaction() as db:
        drop_index(db)
        build_index(db)
