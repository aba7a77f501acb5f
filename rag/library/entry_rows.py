"""The entries of many passages at once, as arrays: a question reads more than a thousand of them.

Shapes: N passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rag.library.graph_index import Keys

_NO_ENTRY = bytes(8)


@dataclass(frozen=True)
class Ragged:
    """Rows of numbers of various lengths.

    Attributes:
        values: those of the first row, then those of the second, and so on.
        ends: ``[N + 1]``, where each row begins in ``values``, and where the last one ends.
    """

    values: Keys
    ends: NDArray[np.int64]

    def __getitem__(self, row: int) -> Keys:
        values: Keys = self.values[self.ends[row] : self.ends[row + 1]]
        return values

    def __add__(self, other: Ragged) -> Ragged:
        """The rows of both."""
        ends = np.concatenate([self.ends, self.ends[-1] + other.ends[1:]])
        return Ragged(np.concatenate([self.values, other.values]), ends)


@dataclass(frozen=True)
class EntryRows:
    """What the graph knows of some passages; see :class:`rag.library.graph_index.GraphEntry`."""

    mentions: Ragged
    titles: Ragged
    words: Ragged

    @classmethod
    def read(cls, bodies: Sequence[bytes]) -> Self:
        """Entries as :meth:`~rag.library.graph_index.GraphEntry.to_bytes` writes them.

        A damaged one is read as empty. A check repairs it; its passage is found without names until then.
        """
        bodies = [body if _is_whole(body) else _NO_ENTRY for body in bodies]
        data = np.frombuffer(b"".join(bodies), dtype="<u4")
        sizes = np.fromiter(map(len, bodies), dtype=np.int64, count=len(bodies)) // 4
        starts = np.cumsum(sizes) - sizes
        num_mentions, num_titles = (data[starts + i].astype(np.int64) for i in (0, 1))
        titles = starts + 2 + 2 * num_mentions
        words = titles + 2 * num_titles
        return cls(
            _gather(data, starts + 2, 2 * num_mentions, "<i8"),
            _gather(data, titles, 2 * num_titles, "<i8"),
            _gather(data, words, starts + sizes - words, "<u4"),
        )

    def __add__(self, other: EntryRows) -> EntryRows:
        """The entries of both."""
        return EntryRows(self.mentions + other.mentions, self.titles + other.titles, self.words + other.words)


def _is_whole(body: bytes) -> bool:
    if len(body) < 8 or len(body) % 4:
        return False
    num_names = int.from_bytes(body[:4], "little") + int.from_bytes(body[4:8], "little")
    return 8 + 8 * num_names <= len(body)


def _gather(data: NDArray[np.uint32], starts: NDArray[np.int64], counts: NDArray[np.int64], kind: Any) -> Ragged:
    """``counts`` elements of ``data`` from each of ``starts`` on, read as numbers of ``kind``."""
    ends = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], counts)
    values = data[places].view(kind)
    return Ragged(values.astype(np.int64), ends * data.itemsize // values.itemsize)
