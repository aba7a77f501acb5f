"""The plain formats for a user's questions (JSONL or CSV): one question a row, or one document a row with its
questions. Also the corpus format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from eval.datasets.schema import Listed, Required, Schema, distinct, make_passage
from eval.types import Question
from rag.core.passages import Passage


class CorpusRow(Schema):
    """One document: ``doc_id``, ``title``, ``text``."""

    doc_id: str = Field("", validation_alias=AliasChoices("doc_id", "id"))
    title: str = ""
    text: str = Field(min_length=1)

    def passage(self) -> Passage:
        """The document as one passage."""
        return make_passage(self.title, self.text, self.doc_id)


def _passage_fields(value: Any) -> Any:
    """In place of an object a passage may be its bare text."""
    values = [value] if isinstance(value, str) else value
    return [{"text": item} if isinstance(item, str) else item for item in values or ()]


Passages = Annotated[tuple[CorpusRow, ...], BeforeValidator(_passage_fields)]


class PlainRow(Schema):
    """One question. ``answers`` is required: an empty list says that there is no answer."""

    id: str = ""
    question: str = Field(min_length=1)
    answers: Required
    is_answerable: bool | None = None
    gold_doc_ids: Listed | None = None
    passages: Passages = ()
    counter_answers: Listed = ()
    counter_passages: Passages = ()
    wrong_answers: Listed = ()
    group: str = Field("", validation_alias=AliasChoices("group", "type"))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.is_answerable is not None and self.is_answerable != bool(self.answers):
            raise ValueError(f"is_answerable={self.is_answerable} contradicts {len(self.answers)} answers")
        return self


def plain(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question in the plain format. In a CSV a list is a JSON list, or values with ``|`` between them."""
    row = PlainRow.model_validate(fields)
    return [
        Question(
            question_id=row.id or fallback_id,
            question=row.question,
            answers=row.answers,
            gold_doc_ids=row.gold_doc_ids,
            passages=tuple(item.passage() for item in row.passages),
            counter_answers=distinct(row.counter_answers, unlike=row.answers),
            counter_passages=tuple(item.passage() for item in row.counter_passages),
            wrong_answers=row.wrong_answers,
            group=row.group,
        )
    ]


class DocumentQuestion(Schema):
    """A question about a document."""

    question: str = Field(min_length=1)
    answers: Required = Field(validation_alias=AliasChoices("answers", "answer"))


class DocumentRow(CorpusRow):
    """A document and the questions that it answers; ``kind`` names its group."""

    questions: tuple[DocumentQuestion, ...] = Field(min_length=1)
    kind: str = ""


def documents(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """The questions of a document, each with the document as its only passage."""
    row = DocumentRow.model_validate(fields)
    passage = row.passage() if row.doc_id or not row.title else make_passage(row.title, row.text, row.title)
    return [
        Question(
            question_id=f"{row.doc_id or fallback_id}-{number}",
            question=item.question,
            answers=item.answers,
            gold_doc_ids=(passage.doc_id,),
            passages=(passage,),
            group=row.kind,
        )
        for number, item in enumerate(row.questions, start=1)
    ]
