"""The graph's index in a library: which names and words each passage holds, and which passages hold a name.

A passage has one entry, which is kept with it. From the entries of the live passages two tables follow, in the same
transactions that publish and remove passages: the passages of each name, and the number of passages with each word.
So a question reads only what it touches, and no process holds the graph in memory.

Names and words are numbers here (hashes); what they mean is settled in :mod:`retrievers.graph.entries`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rag.core.passages import Passage

Keys = NDArray[np.int64]
Pairs = list[tuple[int, int]]
# A name is one of 2**62, so that its complement, which stands for a title, is a 64-bit number too.
KEY_BITS = 62
WORD_BITS = 32
_MASK = 2**64 - 1
_MIX = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class GraphEntry:
    """What the graph knows of one passage.

    Attributes:
        mentions: names in its text, 0 to 2**62, ascending.
        titles: names of what its title is about.
        words: word stems of title and text, 0 to 2**32.
    """

    mentions: Keys
    titles: Keys
    words: Keys

    @classmethod
    def of(cls, mentions: Iterable[int], titles: Iterable[int], words: Iterable[int]) -> Self:
        """An entry from numbers in any order, with repetitions."""
        return cls(*(np.unique(np.fromiter(numbers, dtype=np.int64)) for numbers in (mentions, titles, words)))

    @cached_property
    def postings(self) -> Keys:
        """Under which keys the passage is listed: every name, and the complement of every name of its title."""
        return np.concatenate([np.union1d(self.mentions, self.titles), ~self.titles])

    def to_bytes(self) -> bytes:
        """Both counts of names, the names, and the words in half as many bytes."""
        counts = np.array([len(self.mentions), len(self.titles)], dtype="<u4")
        parts = (counts, self.mentions.astype("<i8"), self.titles.astype("<i8"), self.words.astype("<u4"))
        return b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """The reverse of :meth:`to_bytes`.

        Raises:
            ValueError: the bytes are damaged.
        """
        if len(body) < 8:
            raise ValueError(f"an entry of {len(body)} bytes: expected 8 or more")
        num_mentions, num_titles = int.from_bytes(body[:4], "little"), int.from_bytes(body[4:8], "little")
        end = 8 + 8 * (num_mentions + num_titles)
        names = np.frombuffer(body, "<i8", num_mentions + num_titles, 8)
        words = np.frombuffer(body, "<u4", -1, end) if end < len(body) else np.zeros(0, dtype="<u4")
        return cls(names[:num_mentions], names[num_mentions:], words.astype(np.int64))


@dataclass(frozen=True)
class IndexChange:
    """What the tables of names and words gain, or lose, by some passages.

    Attributes:
        postings: (key, row id), ascending: neighbours in the table are written together.
        words: (word, number of passages), ascending.
        num_entries: that could be read.
    """

    postings: Pairs
    words: Pairs
    num_entries: int

    @classmethod
    def of(cls, bodies: Iterable[tuple[int, bytes]]) -> Self:
        """The change by passages with these row ids and entries; a damaged entry changes nothing."""
        rows, entries = [], []
        for row_id, body in bodies:
            try:
                entries.append(GraphEntry.from_bytes(body))
            except ValueError:
                continue
            rows.append(row_id)
        if not rows:
            return cls([], [], 0)
        keys = np.concatenate([entry.postings for entry in entries])
        ids = np.repeat(np.array(rows, dtype=np.int64), [len(entry.postings) for entry in entries])
        order = np.lexsort((ids, keys))
        words, counts = np.unique(np.concatenate([entry.words for entry in entries]), return_counts=True)
        return cls(
            list(zip(keys[order].tolist(), ids[order].tolist(), strict=True)),
            list(zip(words.tolist(), counts.tolist(), strict=True)),
            len(rows),
        )


def checksum(pairs: Iterable[tuple[int, int]]) -> int:
    """A sum over (key, row id) or (word, count) pairs, in any order; (k, 3) counts as much as (k, 1) and (k, 2)."""
    return sum(((key * _MIX) & _MASK) * value for key, value in pairs) & _MASK


class IndexSums:
    """Checksums of entries, and of the tables that follow from them, in bounded memory."""

    def __init__(self) -> None:
        self._postings = 0
        self._words = 0
        self._num_damaged = 0

    def add_entries(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """Add what follows from some entries."""
        change = IndexChange.of(rows)
        self._num_damaged += len(rows) - change.num_entries
        self.add(change.postings, change.words)

    def add(self, postings: Iterable[tuple[int, int]], words: Iterable[tuple[int, int]]) -> None:
        """Add rows of the tables."""
        self._postings = (self._postings + checksum(postings)) & _MASK
        self._words = (self._words + checksum(words)) & _MASK

    def compare(self, tables: IndexSums) -> str:
        """What is wrong with the tables of these entries; empty if nothing is."""
        if self._num_damaged:
            return f"{self._num_damaged} entries of its index are damaged"
        if self._postings != tables._postings:
            return "its index lists passages under other names than they hold"
        return "" if self._words == tables._words else "its index counts other words than the passages hold"


class EntryWriter(Protocol):
    """Makes the entries of passages."""

    @property
    def version(self) -> str:
        """Changes when the same passage would get another entry; without blanks."""
        ...

    def write(self, passages: Sequence[Passage]) -> list[bytes]:
        """One entry for each passage."""
        ...


class GraphTables(ABC):
    """The graph's index of one library. Safe for threads and processes as the library is."""

    @abstractmethod
    def is_complete(self, version: str) -> bool:
        """Whether every live passage has an entry of this version; costs the same at any size."""

    @abstractmethod
    def missing(self, version: str) -> list[int]:
        """Row ids of live passages without an entry of this version. Reads the ids of the whole library."""

    @abstractmethod
    def keep(self, version: str, entries: Mapping[int, bytes]) -> None:
        """Index live passages, in one transaction; those that are gone or have an entry of this version stay so."""

    @abstractmethod
    def complete(self, version: str) -> None:
        """Note that no live passage lacks an entry of this version, if that is so."""

    @abstractmethod
    def entries(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Entries of passages by row id; those that are gone or have none are left out."""

    @abstractmethod
    def postings(self, keys: Sequence[int], limit: int) -> Pairs:
        """(key, row id) of the passages under each key, at most ``limit`` of one key, lowest row ids first."""

    @abstractmethod
    def counts(self, keys: Sequence[int], limit: int) -> dict[int, int]:
        """Number of passages under each key, counted up to ``limit``; keys without one are left out."""

    @abstractmethod
    def word_counts(self, words: Sequence[int]) -> dict[int, int]:
        """Number of passages with each word; words without one are left out."""
