"""Patch controls: what a patch adds is what it adds over no patch, another document's, and the mere form of an answer.

A control says whose patch the model answers with; the arm goes on to say what stands in the prompt. With arm
``memory`` the patch is alone, with ``agreeing`` or ``oracle`` it stands beside the passage.
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
    "swapped": "another document's patch, of the same group where there is one",
    "format_only": "a patch of facts that the model knows: it can learn how to answer, and nothing new",
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
        SettingError: a question brings no document, or there is no other whose document could be swapped in.
    """
    documents = _documents(questions, arm, control, known_facts, seed)
    return [replace(trial, patched=own) for trial, own in zip(trials, documents, strict=True)]


def _documents(
    questions: Sequence[Question], arm: Arm, control: Control, known_facts: str, seed: int
) -> list[tuple[Passage, ...]]:
    match control:
        case "none":
            return [()] * len(questions)
        case "right":
            return _own(questions, arm, control)
        case "swapped":
            return _swapped(questions, arm, seed)
        case "format_only":
            return [(make_passage("", known_facts, "known facts"),)] * len(questions)


def _own(questions: Sequence[Question], arm: Arm, control: Control) -> list[tuple[Passage, ...]]:
    """The documents that say what is right in ``arm``: the gold ones where they are known."""
    if arm == "conflicting":
        found = [item.counter_passages for item in questions]
    else:
        found = [gold_passages(item) or item.passages for item in questions]
    lacking = [item.question_id for item, own in zip(questions, found, strict=True) if not own]
    if lacking:
        raise SettingError(
            f"patches={control!r} needs passages to make patches of, which {len(lacking)} of {len(questions)} "
            f"questions lack (first: {lacking[0]!r}); choose another data set"
        )
    return found


def _swapped(questions: Sequence[Question], arm: Arm, seed: int) -> list[tuple[Passage, ...]]:
    own = {item.question_id: some for item, some in zip(questions, _own(questions, arm, "swapped"), strict=True)}

    def is_other(item: Question, donor: Question) -> bool:
        swapped = own[donor.question_id]
        return not set(own[item.question_id]) & set(swapped) and lacks_answers(item, swapped)

    def is_alike(item: Question, donor: Question) -> bool:
        return item.group == donor.group and is_other(item, donor)

    alike, others = donors(questions, seed, is_alike), donors(questions, seed, is_other)
    found = []
    for item, same, any_other in zip(questions, alike, others, strict=True):
        donor = same or any_other
        if donor is None:
            raise SettingError(
                f"no other question's document can be swapped in for {item.question_id!r}; patches='swapped' needs "
                f"more than the {len(questions)} questions given"
            )
        found.append(own[donor.question_id])
    return found
