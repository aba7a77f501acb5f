"""``concord doctor``: whether the parts of a library agree with each other, and mending those that do not.

The texts are the truth; vectors, sparse index, vector index and extractions can be made again from them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from kg.codec import from_bytes
from rag.core.errors import ConcordError, StorageError
from rag.core.passages import Passage
from rag.library.sqlite.database import LIVE, SPARSE_INDEX, content_key, next_generation
from rag.library.sqlite.library import SqliteLibrary
from rag.models.sentence_encoder import Encoder, passage_text
from retrievers.dense.index_file import IndexFileError, read, save
from retrievers.dense.retriever import INDEX_FILE
from retrievers.dense.vector_index import build

Part = Literal["file", "passages", "vectors", "sparse index", "vector index", "graph"]
_BATCH = 1000
_NUM_SAMPLED = 64
_LEFT_OVER_S = 3600


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        part: where.
        problem: what, and what to do about it where it cannot be mended here.
        is_mended: it was put right.
    """

    part: Part
    problem: str
    is_mended: bool = False


@dataclass(frozen=True)
class _Trouble:
    part: Part
    problem: str
    mend: Callable[[], None] | None = None


def examine(library: SqliteLibrary, encoder: Encoder, *, is_mending: bool) -> list[Finding]:
    """Check every part, texts first, since the others are made from them.

    Args:
        library: nobody else may write to it meanwhile.
        encoder: makes new vectors; it must be the library's.
        is_mending: mend what can be mended; otherwise nothing is changed.

    Raises:
        StorageError: another process is writing, or the disk is full.
    """
    checks = (_check_documents, partial(_check_vectors, encoder=encoder), _check_sparse, _check_index, _check_graph)
    with library.writing():
        troubles = list(_check_file(library))
        if troubles:  # nothing that is read from a damaged file can be relied on
            return [Finding(trouble.part, trouble.problem) for trouble in troubles]
        return [_settled(trouble, is_mending) for check in checks for trouble in check(library)]


def _settled(trouble: _Trouble, is_mending: bool) -> Finding:
    if not is_mending or trouble.mend is None:
        return Finding(trouble.part, trouble.problem)
    try:
        trouble.mend()
    except (ConcordError, OSError) as error:
        return Finding(trouble.part, f"{trouble.problem}; not mended: {error}")
    return Finding(trouble.part, trouble.problem, is_mended=True)


def _check_file(library: SqliteLibrary) -> Iterator[_Trouble]:
    with library.database.reading() as db:
        lines = [str(row[0]) for row in db.execute("PRAGMA quick_check(3)")]
    if lines != ["ok"]:
        advice = "restore it from a backup, or add the documents to a new library"
        yield _Trouble("file", f"{library.database.file} is damaged ({lines[0]}); {advice}")


def _check_documents(library: SqliteLibrary) -> Iterator[_Trouble]:
    """Passages are counted from 0, so a gap shows; what stood in it is known to the source alone."""
    with library.database.reading() as db:
        lost = db.execute(
            "SELECT d.id, d.source FROM documents d LEFT JOIN passages p ON p.document = d.id WHERE d.is_live "
            "GROUP BY d.id HAVING count(p.id) = 0 OR count(p.id) != max(p.ordinal) + 1"
        ).fetchall()
    for document, source in lost:
        problem = f"passages of {source} are missing; mending lets the next 'concord add' read it again"
        yield _Trouble("passages", problem, partial(_forget_hash, library, document))


def _forget_hash(library: SqliteLibrary, document: int) -> None:
    with library.database.writing() as db:
        db.execute("UPDATE documents SET content_hash = '' WHERE id = ?", (document,))


def _check_vectors(library: SqliteLibrary, encoder: Encoder) -> Iterator[_Trouble]:
    ids = library.live_ids()[0].tolist()
    size = _usual_size(library)
    for first in range(0, len(ids), _BATCH):
        some = ids[first : first + _BATCH]
        with library.database.reading() as db:
            columns = "p.id, d.title, p.text, p.content, CAST(p.vector AS BLOB)"
            sql = f"SELECT {columns} FROM {LIVE} WHERE p.id BETWEEN ? AND ?"
            rows = db.execute(sql, (some[0], some[-1])).fetchall()
        bad = {
            row_id: (title, text)
            for row_id, title, text, content, vector in rows
            if content != content_key(title, text) or len(vector) != size or not _is_unit(vector)
        }
        if bad:
            problem = f"the vectors of {len(bad)} passages are damaged, or not those of their texts"
            yield _Trouble("vectors", problem, partial(_embed_again, library, encoder, bad))


def _usual_size(library: SqliteLibrary) -> int:
    with library.database.reading() as db:
        sql = "SELECT length(vector) FROM passages GROUP BY length(vector) ORDER BY count(*) DESC LIMIT 1"
        row = db.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _is_unit(vector: bytes) -> bool:
    """Length 1, or 0 for a text without a word that the encoder knows."""
    norm = float(np.linalg.norm(np.frombuffer(vector, dtype=np.float32)))
    return norm == 0 or abs(norm - 1) < 1e-3


def _embed_again(library: SqliteLibrary, encoder: Encoder, texts: Mapping[int, tuple[str, str]]) -> None:
    """Replace passages by copies with new row ids: a row id stands for one vector for ever."""
    library.check_encoder(encoder.name)
    vectors = encoder.encode([passage_text(title, text) for title, text in texts.values()])
    with library.database.writing() as db:
        for (row_id, (title, text)), vector in zip(texts.items(), vectors, strict=True):
            new = db.execute(
                "INSERT INTO passages (document, ordinal, start, text, vector, content) "
                "SELECT document, ordinal, start, text, ?, ? FROM passages WHERE id = ?",
                (vector.tobytes(), content_key(title, text), row_id),
            ).lastrowid
            db.execute("DELETE FROM passages WHERE id = ?", (row_id,))
            db.execute("DELETE FROM passages_fts WHERE rowid = ?", (row_id,))
            db.execute("INSERT INTO passages_fts (rowid, title, text) VALUES (?, ?, ?)", (new, title, text))
        next_generation(db)


def _check_sparse(library: SqliteLibrary) -> Iterator[_Trouble]:
    problem = _sparse_problem(library)
    if problem:
        yield _Trouble("sparse index", problem, partial(_index_words_again, library))


def _sparse_problem(library: SqliteLibrary) -> str:
    differs = "f.rowid IS NULL OR f.text != p.text OR f.title != d.title"
    try:
        with library.database.writing() as db:  # the check is worded as an insertion
            (missing,) = db.execute(
                f"SELECT count(*) FROM {LIVE} LEFT JOIN passages_fts f ON f.rowid = p.id WHERE {differs}"
            ).fetchone()
            (size,) = db.execute("SELECT count(*) FROM passages_fts").fetchone()
            (wanted,) = db.execute(f"SELECT count(*) FROM {LIVE}").fetchone()
            if missing:
                return f"{missing} passages are not in it as they are"
            if size != wanted:
                return f"it holds {size} passages, the library {wanted}"
            db.execute("INSERT INTO passages_fts (passages_fts) VALUES ('integrity-check')")
    except ConcordError as error:
        reason = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error
        return f"it is damaged ({reason})"
    return ""


def _index_words_again(library: SqliteLibrary) -> None:
    with library.database.writing() as db:
        db.execute("DROP TABLE IF EXISTS passages_fts")
        db.execute(SPARSE_INDEX)
        db.execute(f"INSERT INTO passages_fts (rowid, title, text) SELECT p.id, d.title, p.text FROM {LIVE}")
        next_generation(db)


def _check_index(library: SqliteLibrary) -> Iterator[_Trouble]:
    """The file may be missing or behind, since the next question mends that; it may not be damaged or wrong."""
    file = library.folder / INDEX_FILE
    too_old = time.time() - _LEFT_OVER_S
    left_over = [item for item in library.folder.glob(".dense-*") if item.stat().st_mtime < too_old]
    if left_over:
        remove = partial(_remove_all, left_over)
        yield _Trouble("vector index", f"{len(left_over)} unfinished files were left behind", remove)
    if not file.exists():
        return
    again = partial(_build_again, library)
    try:
        index = read(file, library.identity)
    except IndexFileError as error:
        yield _Trouble("vector index", f"{file}: {error}", again)
        return
    common = np.intersect1d(index.ids, library.live_ids()[0])
    try:
        ids, vectors = library.vectors_of(np.random.default_rng(0).permutation(common)[:_NUM_SAMPLED])
    except StorageError:
        return  # the vectors have a finding of their own
    if not len(ids):
        return
    if vectors.shape[1] != index.index.d:
        yield _Trouble("vector index", f"{file}: its vectors have another length than the library's", again)
        return
    hits = index.search(library, vectors, 1)
    lost = sum(abs(row[0][1] - float(v @ v)) > 1e-3 for row, v in zip(hits, vectors, strict=True))
    if lost:
        yield _Trouble("vector index", f"{file}: {lost} of {len(ids)} passages are not found by their vectors", again)


def _remove_all(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _build_again(library: SqliteLibrary) -> None:
    (library.folder / INDEX_FILE).unlink(missing_ok=True)
    ids, _ = library.live_ids()
    if len(ids):
        save(build(library, ids), library.folder / INDEX_FILE)
    with library.database.writing() as db:
        next_generation(db)


def _check_graph(library: SqliteLibrary) -> Iterator[_Trouble]:
    """Extractions must be readable, and of a content that some passage has."""
    with library.database.reading() as db:
        rows = db.execute(
            "SELECT e.extractor, e.content, e.body, (SELECT p.text FROM passages p WHERE p.content = e.content) "
            "FROM extractions e"
        )
        bad = [(name, content) for name, content, body, text in rows if not _is_sound(body, text)]
    if bad:
        problem = f"{len(bad)} kept extractions are damaged, or of passages that are gone; imported triples among them "
        yield _Trouble("graph", problem + "have to be imported again", partial(_drop, library, bad))


def _is_sound(body: bytes, text: str | None) -> bool:
    if text is None:
        return False
    try:
        extraction = from_bytes(body, Passage("", "", "", "", text))
    except ValueError:
        return False
    places = [mention.source for mention in extraction.mentions] + [triple.source for triple in extraction.triples]
    return all(0 <= place.start <= place.end <= len(text) for place in places)


def _drop(library: SqliteLibrary, rows: list[tuple[str, bytes]]) -> None:
    with library.database.writing() as db:
        db.executemany("DELETE FROM extractions WHERE extractor = ? AND content = ?", rows)
        next_generation(db)
