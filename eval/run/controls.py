"""Patch controls. They separate what a patch knows from what any patch does to the form of an answer.

A control says which document's patch the model answers with. The arm still says what is in the prompt: with arm
``memory`` the patch is alone, with ``agreeing`` or ``oracle`` the passage is there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from eval.datasets.schema import make_passage
from eval.run.arms import Arm, donors, gold_passages, lacks_answers
from eval.types import Question, Trial
from rag.core.errors import SettingError
from rag.core.passages import Passage

Control = Literal["none", "right", "swapped", "format_only"]
CONTROL_NAMES: tuple[str, ...] = get_args(Control)
CONTROL_MEANINGS: dict[Control, str] = {
    "none": "no patch",
    "right": "the patch of the question's own document",
    "swapped": "another document's patch, of the same group if possible",
    "format_only": "a patch of facts that the model knows already: it teaches the form of answers, and nothing new",
}
# The smallest default model answers all of these without a patch.
KNOWN_FACTS = (
    "The theory of relativity was developed by Albert Einstein. The telephone was invented by Alexander Graham Bell. "
    "The Declaration of Independence was signed in 1776. The Berlin Wall fell in 1989. The Eiffel Tower is in Paris. "
    "The Colosseum is in Rome. A week has 7 days. A spider has 8 legs."
)


def with_patches(
    trials: Sequence[Trial],
    questions: Sequence[Question],
    arm: Arm,
    control: Control,
    known_facts: str = KNOWN_FACTS,
    seed: int = 0,
) -> list[Trial]:
    """``trials``, one per question, with the documents whose patches ``control`` gives them.

    Args:
        known_facts: what ``format_only`` learns.
        seed: which questions swap documents in ``swapped``.

    Raises:
        SettingError: a question has no document, or no other question's document can be swapped in.
    """
    documents = _documents(questions, arm, control, known_facts, seed)
    return [replace(trial, patched=patched) for trial, patched in zip(trials, documents, strict=True)]


def _documents(
    questions: Sequence[Question], arm: Arm, control: Control, known_facts: str, seed: int
) -> list[tuple[Passage, ...]]:
    match control:
        case "none":
            return [()] * len(questions)
        case "right":
            return _right_documents(questions, arm, control)
        case "swapped":
            return _swapped(questions, arm, seed)
        case "format_only":
            return [(make_passage("", known_facts, "known facts"),)] * len(questions)


def _right_documents(questions: Sequence[Question], arm: Arm, control: Control) -> list[tuple[Passage, ...]]:
    """The documents that say what is right in ``arm``: the gold ones where they are known."""
    if arm == "conflicting":
        documents = [item.counter_passages for item in questions]
    else:
        documents = [gold_passages(item) or item.passages for item in questions]
    lacking = [item.question_id for item, passages in zip(questions, documents, strict=True) if not passages]
    if lacking:
        raise SettingError(
            f"patches={control!r} needs passages to make patches of, which {len(lacking)} of {len(questions)} "
            f"questions lack (first: {lacking[0]!r}); choose another data set"
        )
    return documents


def _swapped(questions: Sequence[Question], arm: Arm, seed: int) -> list[tuple[Passage, ...]]:
    documents = _right_documents(questions, arm, "swapped")
    right = {item.question_id: passages for item, passages in zip(questions, documents, strict=True)}

    def is_other(item: Question, donor: Question) -> bool:
        swapped = right[donor.question_id]
        return not set(right[item.question_id]) & set(swapped) and lacks_answers(item, swapped)

    def is_same_group(item: Question, donor: Question) -> bool:
        return item.group == donor.group and is_other(item, donor)

    neighbours, others = donors(questions, seed, is_same_group), donors(questions, seed, is_other)
    swaps = []
    for item, neighbour, other in zip(questions, neighbours, others, strict=True):
        donor = neighbour or other
        if donor is None:
            raise SettingError(
                f"no other question's document can be swapped in for {item.question_id!r}; patches='swapped' needs "
                f"more than {len(questions)} questions"
            )
        swaps.append(right[donor.question_id])
    return swaps
