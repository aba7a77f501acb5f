"""The lists of a library's words in PostgreSQL: which live passages have a word, and how often.

A list is cut into blocks of up to 128 postings, which stay in the table's own pages. They follow from the column
``words`` of the passages, and change in the transactions that publish and remove. A block that has room is merged with
the next passages of its word, so many small publications leave no more blocks than one large one.

PostgreSQL's own full-text index (GIN) says where a word is but not how often, so each passage would have to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

Postings = NDArray[Any]
# As int8send, int2send and int4send write them.
_POSTING = np.dtype([("passage", ">i8"), ("frequency", ">i2"), ("num_words", ">i4")])
_BLOCK = 128
_BATCH = 20_000
_MASK = 2**64 - 1
_MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
WORD_TABLES = """
CREATE TABLE word_blocks (
    word text COLLATE "C" NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    number integer NOT NULL,
    body bytea STORAGE PLAIN NOT NULL
);
CREATE INDEX word_blocks_by_word ON word_blocks (word, last);
"""
_OF_PASSAGES = """
SELECT w.lexeme, string_agg(
    int8send(p.id) || int2send(cardinality(w.positions)::smallint) || int4send(p.num_words), ''::bytea ORDER BY p.id)
FROM passages p CROSS JOIN unnest(p.words) AS w WHERE p.id = ANY(%s) GROUP BY w.lexeme
"""
_TAKE_PART = "DELETE FROM word_blocks WHERE word = ANY(%s) AND number < %s RETURNING word, body"
_TAKE_HOLDING = """
DELETE FROM word_blocks b USING (
    SELECT DISTINCT w.lexeme, p.id FROM passages p CROSS JOIN unnest(p.words) AS w WHERE p.id = ANY(%s)
) AS gone WHERE b.word = gone.lexeme AND gone.id BETWEEN b.first AND b.last RETURNING b.word, b.body
"""
_WRITE = (
    "INSERT INTO word_blocks (word, first, last, number, body) "
    "SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::integer[], %s::bytea[])"
)


def read_postings(bodies: Iterable[bytes]) -> Postings:
    """Postings ``[N]`` of some blocks: passage (row id), frequency of the word, number of words of the passage."""
    return np.frombuffer(b"".join(bodies), dtype=_POSTING)


def list_words(db: Connection[Any], ids: Sequence[int]) -> None:
    """List live passages under their words."""
    _lock(db)
    for batch in _batches(ids):
        new = _rows(db, _OF_PASSAGES, batch)
        former: dict[str, list[bytes]] = {}
        for word, body in _rows(db, _TAKE_PART, [word for word, _ in new], _BLOCK):
            former.setdefault(word, []).append(body)
        _write(db, ((word, read_postings([*former.get(word, ()), body])) for word, body in new))


def unlist_words(db: Connection[Any], ids: Sequence[int]) -> None:
    """The reverse of :func:`list_words`; the passages must still be there."""
    _lock(db)
    for batch in _batches(ids):
        gone = np.array(batch)
        blocks = [(word, read_postings([body])) for word, body in _rows(db, _TAKE_HOLDING, batch)]
        _write(db, ((word, block[~np.isin(block["passage"], gone)]) for word, block in blocks))


def list_all_words(db: Connection[Any]) -> None:
    """Make the lists of all live passages anew."""
    _lock(db)
    db.execute("DELETE FROM word_blocks")
    rows = db.execute("SELECT p.id FROM passages p JOIN documents d ON d.id = p.document AND d.is_live ORDER BY 1")
    list_words(db, [row[0] for row in rows.fetchall()])


def has_lists(db: Connection[Any]) -> bool:
    """Whether the lists are those of the live passages' words. Reads all of both, in batches."""
    rows = db.execute("SELECT p.id FROM passages p JOIN documents d ON d.id = p.document AND d.is_live").fetchall()
    expected = sum(_checksum(_rows(db, _OF_PASSAGES, batch)) for batch in _batches([row[0] for row in rows]))
    with db.cursor(name="word_blocks", binary=True) as cursor:  # kept on the server: one batch is in memory here
        cursor.execute("SELECT word, body FROM word_blocks")
        listed = 0
        while blocks := cursor.fetchmany(_BATCH):
            listed += _checksum(blocks)
    return expected & _MASK == listed & _MASK


def _lock(db: Connection[Any]) -> None:
    """One transaction at a time: another one would miss the blocks that this one writes."""
    db.execute("LOCK TABLE word_blocks IN SHARE ROW EXCLUSIVE MODE")


def _batches(ids: Sequence[int]) -> Iterator[list[int]]:
    return (list(ids[first : first + _BATCH]) for first in range(0, len(ids), _BATCH))


def _rows(db: Connection[Any], statement: str, *values: object) -> list[tuple[str, bytes]]:
    return db.cursor(binary=True).execute(statement.encode(), values).fetchall()


def _write(db: Connection[Any], lists: Iterable[tuple[str, Postings]]) -> None:
    """Write lists as blocks; a word without postings has none."""
    blocks = [
        (word, int(block["passage"].min()), int(block["passage"].max()), len(block), block.tobytes())
        for word, postings in lists
        for block in (postings[first : first + _BLOCK] for first in range(0, len(postings), _BLOCK))
    ]
    if blocks:
        db.execute(_WRITE, [list(column) for column in zip(*blocks, strict=True)])


def _checksum(lists: Iterable[tuple[str, bytes]]) -> int:
    """A sum over postings, the same however they are cut into blocks."""
    total = 0
    for word, body in lists:
        postings = read_postings([body])
        mixed = sum(
            postings[name].astype(np.uint64) * np.uint64(factor)
            for name, factor in zip(_POSTING.names or (), _MIX, strict=True)
        )
        total += int(np.sum(mixed ^ (mixed >> np.uint64(29)), dtype=np.uint64)) * (2 * crc32(word.encode()) + 1)
    return total
