"""Natural Questions (open), PopQA, TriviaQA and PathQuestion: questions and answers, without passages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from eval.datasets.schema import OneOrMany, Schema, distinct, from_json
from eval.types import Question


class NqRow(Schema):
    """A line of NQ-open."""

    id: str = ""
    question: str = Field(min_length=1)
    answers: OneOrMany = Field(min_length=1, validation_alias=AliasChoices("answer", "answers"))


class PopQaRow(Schema):
    """A line of PopQA's tab-separated file."""

    id: str
    question: str = Field(min_length=1)
    possible_answers: Annotated[tuple[str, ...], BeforeValidator(from_json)] = Field(min_length=1)
    prop: str = ""


class TriviaAnswer(Schema):
    """The answer of a TriviaQA record."""

    value: str = Field(validation_alias=AliasChoices("Value", "value"), min_length=1)
    aliases: tuple[str, ...] = Field((), validation_alias=AliasChoices("Aliases", "aliases"))
    human: tuple[str, ...] = Field((), validation_alias=AliasChoices("HumanAnswers", "human_answers"))


class TriviaRow(Schema):
    """A record of TriviaQA, as the authors' file or the hub spells it."""

    id: str = Field(validation_alias=AliasChoices("QuestionId", "question_id"))
    question: str = Field(validation_alias=AliasChoices("Question", "question"), min_length=1)
    answer: TriviaAnswer = Field(validation_alias=AliasChoices("Answer", "answer"))


def natural_questions(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of NQ-open. Source: Kwiatkowski et al. 2019; Lee et al. 2019."""
    row = NqRow.model_validate(fields)
    return [Question(row.id or fallback_id, row.question, row.answers)]


def popqa(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of PopQA; its group is the relation asked for. Source: Mallen et al. 2023."""
    row = PopQaRow.model_validate(fields)
    return [Question(row.id, row.question, row.possible_answers, group=row.prop)]


def triviaqa(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of TriviaQA with the answer's aliases. Source: Joshi et al. 2017."""
    row = TriviaRow.model_validate(fields)
    answers = distinct([row.answer.value, *row.answer.aliases, *row.answer.human])
    return [Question(row.id, row.question, answers)]


def pathquestion(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A line ``question <tab> answer(answer/answer/...) <tab> subject#relation#object#...`` of PathQuestion.

    Underscores of the knowledge base's names become blanks in the answers. Source: Zhou et al. 2018.

    Raises:
        ValueError: the line has another form.
    """
    columns = fields.get("columns", ())
    if len(columns) != 3:
        raise ValueError(f"expected 3 tab-separated columns (question, answers, path), got {len(columns)}")
    question, answers, path = (column.strip() for column in columns)
    listed = answers.partition("(")[2].rstrip(")").split("/") if answers.endswith(")") else [answers]
    names = distinct([name.replace("_", " ") for name in listed])
    if not question or not names or "#" not in path:
        raise ValueError(f"expected a question, answers and a path with '#', got {columns!r}")
    num_hops = path.removesuffix("#").split("#<end>")[0].count("#") // 2
    return [Question(fallback_id, question, names, group=f"{num_hops}hop")]
