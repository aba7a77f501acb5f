"""FaithEval: contexts that leave the question open, contradict themselves, or contradict the world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from eval.datasets.schema import OneOrMany, Schema, distinct, from_json, make_passage
from eval.types import Question

UNANSWERABLE, INCONSISTENT, COUNTERFACTUAL = "unanswerable", "inconsistent", "counterfactual"


class Choices(Schema):
    """The options of a counterfactual question."""

    label: tuple[str, ...] = Field(min_length=2)
    text: tuple[str, ...] = Field(min_length=2)


class FaithRow(Schema):
    """What the three sets share."""

    id: str = Field("", validation_alias=AliasChoices("qid", "id"))
    question: str = Field(min_length=1)
    context: str = Field(min_length=1)


class OpenRow(FaithRow):
    """A row of the unanswerable or of the inconsistent set."""

    answers: OneOrMany


class CounterfactualRow(FaithRow):
    """A row of the counterfactual set."""

    answer_key: str = Field(validation_alias=AliasChoices("answerKey", "answer_key"))
    choices: Annotated[Choices, BeforeValidator(from_json)]


def unanswerable(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question whose answer was taken out of the context: to abstain is right."""
    return [_question(OpenRow.model_validate(fields), fallback_id, (), UNANSWERABLE)]


def inconsistent(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question that two parts of the context answer differently; either answer counts as contained."""
    row = OpenRow.model_validate(fields)
    return [_question(row, fallback_id, distinct(row.answers), INCONSISTENT)]


def counterfactual(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A multiple-choice question whose context supports an option that is false; its text is the answer.

    The options are part of the task and stand below the question. Source: Ming et al. 2024.

    Raises:
        ValueError: ``answerKey`` names no option.
    """
    row = CounterfactualRow.model_validate(fields)
    options = dict(zip(row.choices.label, row.choices.text, strict=True))
    if row.answer_key not in options:
        raise ValueError(f"answerKey={row.answer_key!r} is none of the options {', '.join(options)}")
    listed = "\n".join(f"{label}) {text}" for label, text in options.items())
    asked = row.model_copy(update={"question": f"{row.question}\n{listed}"})
    return [_question(asked, fallback_id, (options[row.answer_key],), COUNTERFACTUAL)]


def _question(row: FaithRow, fallback_id: str, answers: tuple[str, ...], group: str) -> Question:
    passage = make_passage("", row.context)
    gold = (passage.doc_id,) if answers else ()
    return Question(row.id or fallback_id, row.question, answers, gold, (passage,), group=group)
