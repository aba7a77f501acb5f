"""Examples for a judge: an answer, a passage, and what the passage says of the answer."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.core.passages import Passage
from rag.core.verdict import NOT_STATED
from rag.skills.data.examples import Example, Maker, Recipe
from rag.skills.data.rows import Row

SUPPORTS, CONTRADICTS, NOTHING = "supports", "contradicts", "nothing"


@dataclass(frozen=True)
class Judgement:
    """One thing to learn: a passage, a question, perhaps an answer, and the label."""

    question: str
    passage: Passage
    answer: str
    label: str


class JudgementMaker:
    """Draws judgements of the same rows that readers learn from.

    Args:
        rows: of one side of a split.
        share_open: share of judgements without an answer: does the passage help at all?
    """

    def __init__(self, rows: Sequence[Row], recipe: Recipe | None = None, share_open: float = 0.4) -> None:
        self._maker = Maker(rows, recipe)
        self._share_open = share_open

    def draw(self, number: int, seed: int) -> Iterator[Judgement]:
        """``number`` judgements; the same ones for the same seed."""
        rng = random.Random(seed)
        for example in self._maker.draw(10 * number, seed):
            judgement = self._judge(example, rng)
            if judgement is not None:
                number -= 1
                yield judgement
            if number == 0:
                return

    def _judge(self, example: Example, rng: random.Random) -> Judgement | None:
        if len(example.passages) != 1:
            return None
        question, passage = example.question, example.passages[0]
        says = example.reply != NOT_STATED
        if rng.random() < self._share_open:
            return Judgement(question, passage, "", SUPPORTS if says else NOTHING)
        if not says:
            proposed = self._maker.other_answer(question, "", rng)
            return Judgement(question, passage, proposed, NOTHING) if proposed else None
        if rng.random() < 0.5:
            return Judgement(question, passage, example.reply, SUPPORTS)
        other = self._maker.other_answer(question, example.reply, rng)
        return Judgement(question, passage, other, CONTRADICTS) if other else None
