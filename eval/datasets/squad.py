"""SQuAD 1.1 and 2.0: a paragraph, and questions that it answers or does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from eval.datasets.schema import Schema, distinct, make_passage
from eval.types import Question


def _texts(value: Any) -> Any:
    """Answer texts from the authors' list of objects, or from a hub's table of columns."""
    if isinstance(value, dict):
        return value.get("text")
    return [item["text"] if isinstance(item, dict) and "text" in item else item for item in value or ()]


class SquadRow(Schema):
    """A question with its paragraph."""

    id: str
    title: str = ""
    context: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: Annotated[tuple[str, ...], BeforeValidator(_texts)]
    is_impossible: bool | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.is_impossible is not None and self.is_impossible == bool(self.answers):
            raise ValueError(f"is_impossible={self.is_impossible} contradicts {len(self.answers)} answers")
        return self


def flatten(article: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The questions of an article of the authors' file, each with its paragraph; a hub's row is one already."""
    if "paragraphs" not in article:
        yield article
        return
    for paragraph in article["paragraphs"]:
        for question in paragraph.get("qas", ()):
            yield {"title": article.get("title", ""), "context": paragraph.get("context"), **question}


def squad2(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of SQuAD. An unanswerable one keeps its paragraph, which is near the mark but not gold.

    Source: Rajpurkar et al. 2016, 2018.
    """
    row = SquadRow.model_validate(fields)
    passage = make_passage(row.title, row.context)
    gold = (passage.doc_id,) if row.answers else ()
    group = "answerable" if row.answers else "unanswerable"
    return [Question(row.id, row.question, distinct(row.answers), gold, (passage,), group=group)]
