"""Checking and repairing what is derived from the texts of a library in a folder: the sparse and the dense index."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from rag.core.errors import ConcordError, StorageError
from rag.library.base import Library
from rag.library.checking import Damage
from rag.library.sqlite.database import Database, next_generation
from rag.library.sqlite.index_build import build_index
from rag.library.sqlite.index_file import INDEX_FILE, UNFINISHED, IndexFileError, read_index, save_index
from rag.library.sqlite.layout import INDEXED, LIVE, index_all_words
from rag.library.sqlite.vector_index import VectorIndex

_NUM_SAMPLED = 64
_LEFT_OVER_S = 3600


def check_sparse_index(database: Database) -> Iterator[Damage]:
    """The full-text index must hold each live passage as it is, and nothing else."""
    problem = _sparse_problem(database)
    if problem:
        yield Damage("sparse index", problem, partial(_index_words_again, database))


def _sparse_problem(database: Database) -> str:
    differs = f"f.rowid IS NULL OR (f.title, f.text) != ({INDEXED})"
    try:
        with database.writing() as db:  # SQLite words the integrity check as an insertion
            (num_missing,) = db.execute(
                f"SELECT count(*) FROM {LIVE} LEFT JOIN passages_fts f ON f.rowid = p.id WHERE {differs}"
            ).fetchone()
            (num_indexed,) = db.execute("SELECT count(*) FROM passages_fts").fetchone()
            (num_live,) = db.execute(f"SELECT count(*) FROM {LIVE}").fetchone()
            if num_missing:
                return f"{num_missing} passages are not in it as they are"
            if num_indexed != num_live:
                return f"it holds {num_indexed} passages, the library {num_live}"
            db.execute("INSERT INTO passages_fts (passages_fts) VALUES ('integrity-check')")
    except ConcordError as error:
        reason = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error
        return f"it is damaged ({reason})"
    return ""


def _index_words_again(database: Database) -> None:
    with database.writing() as db:
        index_all_words(db)
        next_generation(db)


def check_dense_index(library: Library, database: Database) -> Iterator[Damage]:
    """The file may be missing or old, which the next question repairs; it may not be damaged or wrong."""
    file = database.file.parent / INDEX_FILE
    unfinished = _unfinished_files(file.parent)
    if unfinished:
        remove = partial(_remove_all, unfinished)
        yield Damage("vector index", f"{len(unfinished)} unfinished files were left behind", remove)
    problem = _dense_problem(library, file) if file.exists() else ""
    if problem:
        yield Damage("vector index", f"{file}: {problem}", partial(_build_again, library, database, file))


def _unfinished_files(folder: Path) -> list[Path]:
    too_old = time.time() - _LEFT_OVER_S
    return [file for pattern in UNFINISHED for file in folder.glob(pattern) if file.stat().st_mtime < too_old]


def _dense_problem(library: Library, file: Path) -> str:
    try:
        return _search_problem(library, read_index(file, library.identity))
    except IndexFileError as error:
        return str(error)


def _search_problem(library: Library, index: VectorIndex) -> str:
    """A sample of the passages must be found by their vectors."""
    common = np.intersect1d(index.ids, library.live_ids()[0])
    try:
        ids, vectors = library.vectors_by_id(np.random.default_rng(0).permutation(common)[:_NUM_SAMPLED])
    except StorageError:
        return ""  # damaged vectors have their own finding
    if not len(ids):
        return ""
    if vectors.shape[1] != index.index.d:
        return "its vectors have another length than the library's"
    hits = index.search(library, vectors, 1)
    num_lost = sum(abs(row[0][1] - float(v @ v)) > 1e-3 for row, v in zip(hits, vectors, strict=True))
    return f"{num_lost} of {len(ids)} passages are not found by their vectors" if num_lost else ""


def _remove_all(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _build_again(library: Library, database: Database, file: Path) -> None:
    file.unlink(missing_ok=True)
    ids, _ = library.live_ids()
    if len(ids):
        save_index(build_index(library, ids), file)
    with database.writing() as db:
        next_generation(db)
