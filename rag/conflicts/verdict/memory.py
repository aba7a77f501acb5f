"""What the model's memory is to the documents: it agrees, contradicts, does not know, or the documents are silent."""

from __future__ import annotations

from collections.abc import Sequence

from rag.conflicts.answers.same import Sameness, same_answer
from rag.conflicts.verdict.grouping import Same
from rag.core.verdict import Memory, Position, Relation

# From this probability on, memory knows. Not chosen on data: to call a conflict where there is none costs more than to
# miss one, so that it must be twice as likely to know as not.
KNOWS = 2 / 3
# The same for a model whose ``knows`` was never calibrated: such a figure may be far too high.
KNOWS_UNCALIBRATED = 0.95


def does_know(memory: Memory | None) -> bool:
    """Whether the memory's answer is to be counted as knowledge."""
    if memory is None or not memory.answer.strip():
        return False
    return memory.knows >= (KNOWS if memory.is_calibrated else KNOWS_UNCALIBRATED)


def relate_memory(
    answer: str,
    knows: float,
    positions: Sequence[Position],
    question: str = "",
    *,
    is_calibrated: bool = True,
    same: Same = same_answer,
) -> Memory:
    """The memory with its relation to the leading position.

    An answer that says the same agrees, however unsure it is. A different one contradicts only if the model knows.

    Args:
        answer: the model's own answer; empty where it gives none.
        knows: 0 to 1.
        positions: the leading one first; none if the documents are silent.
    """
    memory = Memory(answer, knows, "unsure", is_calibrated)
    relation: Relation = "unsure"
    if not positions:
        relation = "silent"
    elif answer.strip() and says_same(answer, positions[0], question, same):
        relation = "agrees"
    elif does_know(memory):
        relation = "contradicts"
    return Memory(answer, knows, relation, is_calibrated)


def says_same(answer: str, position: Position, question: str, same: Same = same_answer) -> bool:
    """Whether an answer is one of the wordings of a position."""
    wordings = dict.fromkeys((position.answer, *(reading.answer for reading in position.readings)))
    different: Sameness = "different"
    return any(same(answer, wording, question) != different for wording in wordings)
