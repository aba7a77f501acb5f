"""Arms: the same questions asked with conflicting, agreeing, irrelevant, perfect or no context.

A method that gains with conflicting context but loses with agreeing or irrelevant context is no gain.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, get_args

from eval.metrics.answers import contains_answer
from eval.types import Question, Trial
from rag.core.errors import SettingError
from rag.core.passages import Passage

Arm = Literal["retrieved", "given", "conflicting", "agreeing", "irrelevant", "oracle", "memory"]
ARM_NAMES: tuple[str, ...] = get_args(Arm)
ARM_MEANINGS: dict[Arm, str] = {
    "retrieved": "the engine finds the passages",
    "given": "the passages that came with the question",
    "conflicting": "passages that contradict the answer; what they say counts as right",
    "agreeing": "passages that support the answer",
    "irrelevant": "another question's passages",
    "oracle": "the gold passages alone",
    "memory": "no passages",
}


def build_trials(questions: Sequence[Question], arm: Arm, seed: int = 0) -> list[Trial]:
    """The trials of ``arm``, one per question, in their order.

    * ``retrieved``: the engine finds passages by itself.
    * ``given``: the passages that came with the question.
    * ``conflicting``: the passages that contradict the answer. What they say is right, since the arm measures whether
      the model follows its documents; the memory's answer is the original one.
    * ``agreeing``: the passages that support the answer.
    * ``irrelevant``: another question's passages, which contain none of this one's answers. The original answer is
      right; a model that follows the passages gives the other question's answer.
    * ``oracle``: the gold passages alone.
    * ``memory``: no passages.

    Args:
        seed: which questions swap passages in ``irrelevant``.

    Raises:
        SettingError: the questions lack what the arm needs.
    """
    match arm:
        case "retrieved":
            return [_trial(item) for item in questions]
        case "given":
            _require(questions, arm, "passages", lambda item: bool(item.passages))
            return [replace(_trial(item), passages=item.passages) for item in questions]
        case "conflicting":
            _require(questions, arm, "counter_passages and counter_answers", _has_counter)
            return [_conflicting(item) for item in questions]
        case "agreeing":
            _require(questions, arm, "passages", lambda item: bool(item.passages))
            return [_agreeing(item) for item in questions]
        case "irrelevant":
            _require(questions, arm, "passages", lambda item: bool(item.passages))
            return _irrelevant(questions, seed)
        case "oracle":
            _require(questions, arm, "gold_doc_ids among their passages", lambda item: bool(gold_passages(item)))
            return [replace(_trial(item), passages=gold_passages(item), gold_doc_ids=None) for item in questions]
        case "memory":
            return [replace(_trial(item), passages=(), gold_doc_ids=None) for item in questions]


def _trial(item: Question) -> Trial:
    return Trial(
        question_id=item.question_id,
        question=item.question,
        references=item.answers,
        gold_doc_ids=item.gold_doc_ids,
        wrong_answers=item.wrong_answers,
        group=item.group,
    )


def _has_counter(item: Question) -> bool:
    return bool(item.counter_passages and item.counter_answers)


def _conflicting(item: Question) -> Trial:
    return replace(
        _trial(item),
        references=item.counter_answers,
        passages=item.counter_passages,
        gold_doc_ids=None,
        context_answers=item.counter_answers,
        memory_answers=item.answers,
    )


def _agreeing(item: Question) -> Trial:
    return replace(_trial(item), passages=item.passages, gold_doc_ids=None, context_answers=item.answers)


def _irrelevant(questions: Sequence[Question], seed: int) -> list[Trial]:
    trials = []
    for item, donor in zip(questions, donors(questions, seed, _is_irrelevant), strict=True):
        if donor is None:
            raise SettingError(
                f"no other question's passages are irrelevant to {item.question_id!r}; "
                f"arm 'irrelevant' needs more than {len(questions)} questions"
            )
        trials.append(_with_donor(item, donor))
    return trials


def donors(
    questions: Sequence[Question], seed: int, fits: Callable[[Question, Question], bool]
) -> list[Question | None]:
    """For each question another one with ``fits(question, other)``: the next one in a shuffled circle of all."""
    order = list(range(len(questions)))
    random.Random(seed).shuffle(order)
    place = {index: position for position, index in enumerate(order)}
    chosen: list[Question | None] = []
    for index, item in enumerate(questions):
        circle = (questions[other] for other in order[place[index] + 1 :] + order[: place[index]])
        chosen.append(next((other for other in circle if fits(item, other)), None))
    return chosen


def lacks_answers(item: Question, passages: Sequence[Passage]) -> bool:
    """Whether ``passages`` contain none of the question's answers, neither the right ones nor the counter answers."""
    answers = (*item.answers, *item.counter_answers)
    return not any(contains_answer(passage.text, answers) for passage in passages)


def gold_passages(item: Question) -> tuple[Passage, ...]:
    """The passages with the question's evidence, where the data set names them."""
    return tuple(passage for passage in item.passages if passage.doc_id in (item.gold_doc_ids or ()))


def _is_irrelevant(item: Question, donor: Question) -> bool:
    return lacks_answers(item, donor.passages)


def _with_donor(item: Question, donor: Question) -> Trial:
    has_memory = bool(item.answers and donor.answers)
    return replace(
        _trial(item),
        passages=donor.passages,
        gold_doc_ids=None,
        context_answers=donor.answers if has_memory else (),
        memory_answers=item.answers if has_memory else (),
    )


def _require(questions: Sequence[Question], arm: str, what: str, has: Callable[[Question], bool]) -> None:
    lacking = [item.question_id for item in questions if not has(item)]
    if lacking:
        raise SettingError(
            f"arm {arm!r} needs {what}, which {len(lacking)} of {len(questions)} questions lack "
            f"(first: {lacking[0]!r}); choose another arm or data set"
        )
