"""What the reservoir holds in memory of its table: arrays, which follow the table by what went and what came.

Shapes: N items, D vector length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.core.encoding import Vectors
from rag.library.question_store import StoredItem
from retrievers.question_cache.wording import Wording, wording

# Chosen with tau (cache.py): the question says more about what is asked than the passage does.
_QUESTION_WEIGHT = 2.0


@dataclass(frozen=True)
class Items:
    """What is remembered.

    Attributes:
        ids, passages: row ids of the items and their passages, ``[N]``.
        created: ``[N]``, seconds.
        questions: N of them, equal ones too.
        wordings: of each question, in the order of their first items.
        asked: unit vectors of the questions, ``[N, D]``.
        vectors: unit vectors of questions and passages, ``[N, D]``.
    """

    ids: NDArray[np.int64]
    passages: NDArray[np.int64]
    created: NDArray[np.float64]
    questions: tuple[str, ...]
    wordings: dict[str, Wording]
    asked: Vectors
    vectors: Vectors

    @classmethod
    def of(cls, rows: Sequence[StoredItem]) -> Items:
        """The items of some rows of the store, in their order."""
        asked = _matrix([row.vector for row in rows])
        sums = _QUESTION_WEIGHT * asked + _matrix([row.passage_vector for row in rows])
        questions = tuple(row.question for row in rows)
        return cls(
            np.array([row.item_id for row in rows], dtype=np.int64),
            np.array([row.row_id for row in rows], dtype=np.int64),
            np.array([row.created_at for row in rows], dtype=np.float64),
            questions,
            {question: wording(question) for question in dict.fromkeys(questions)},
            asked,
            sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12),
        )

    def followed_by(self, new: Items, is_kept: NDArray[np.bool_]) -> Items:
        """Those of these items that are kept, ``[N]``, then the new ones."""
        if not is_kept.any():
            return new
        if is_kept.all() and not len(new.ids):
            return self
        questions = (*(self.questions[row] for row in np.flatnonzero(is_kept)), *new.questions)
        wordings = self.wordings | new.wordings

        def joined(old: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([old[is_kept], more]) if len(more) else old[is_kept]

        return Items(
            joined(self.ids, new.ids),
            joined(self.passages, new.passages),
            joined(self.created, new.created),
            questions,
            {question: wordings[question] for question in dict.fromkeys(questions)},
            joined(self.asked, new.asked),
            joined(self.vectors, new.vectors),
        )

    def said_in(self, words: Wording) -> Vectors | None:
        """``[D]``, the vector of the first question in these words; ``None`` when there is none."""
        same = next((question for question, other in self.wordings.items() if words.says(other)), None)
        return None if same is None else self.asked[self.questions.index(same)]

    def turning_as(self, words: Wording) -> NDArray[np.bool_]:
        """``[N]``: whose question may ask for the same as these words."""
        alike = {question for question, other in self.wordings.items() if words.turns_as(other)}
        return np.array([question in alike for question in self.questions], dtype=np.bool_)


def _matrix(vectors: Sequence[Vectors]) -> Vectors:
    return np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)
