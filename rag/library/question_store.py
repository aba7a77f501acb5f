"""Where a library keeps the questions that its passages served; :mod:`retrievers.question_cache` decides what to keep.

An item is a question and one passage. It refers to the passage's row, so it goes in the transaction that removes the
passage. The items only save time: what cannot be written now is left out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rag.core.encoding import Vectors


@dataclass(frozen=True)
class NewItem:
    """A question and a passage that served it.

    Attributes:
        row_id: row of the passage.
        vector: unit vector of the question, ``[D]``.
        created_at: seconds since some fixed point in time.
    """

    question: str
    row_id: int
    vector: Vectors
    created_at: float


@dataclass(frozen=True)
class StoredItem(NewItem):
    """An item as it is kept.

    Attributes:
        item_id: ascends in the order in which items were kept.
        passage_vector: vector of the passage, ``[D]``.
    """

    item_id: int
    passage_vector: Vectors


class QuestionStore(ABC):
    """The items of one library. Safe for threads of one process and for several processes.

    Raises (every method):
        StorageError: the items are damaged, or the store is out of reach.
    """

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; the object is of no use afterwards."""

    @abstractmethod
    def __len__(self) -> int:
        """Items whose passages are live."""

    @abstractmethod
    def version(self) -> Hashable:
        """Changes whenever items come or go, in this process or another."""

    @abstractmethod
    def ages(self) -> dict[int, float]:
        """``created_at`` of all items whose passages are live, by item id."""

    @abstractmethod
    def read(self, after: int) -> list[StoredItem]:
        """Items with an id above ``after`` whose passages are live, by id. Vectors that were cut short are left out."""

    @abstractmethod
    def add(self, items: Sequence[NewItem]) -> None:
        """Keep items; each replaces a former one with its question and passage. Passages that are gone are left out."""

    @abstractmethod
    def touch(self, item_ids: Sequence[int], used_at: float) -> None:
        """Note that these items were used; the least recently used ones go first."""

    @abstractmethod
    def trim(self, created_after: float, max_items: int) -> None:
        """Drop items that are older, then the least recently used ones beyond ``max_items``."""

    @abstractmethod
    def clear(self) -> None:
        """Drop all items."""
