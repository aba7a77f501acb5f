"""HotpotQA, 2WikiMultihopQA and MuSiQue: questions that need several paragraphs, with the paragraphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from eval.datasets.schema import Schema, distinct, from_json, make_passage
from eval.types import Question


def _pairs(first: str, second: str) -> BeforeValidator:
    """``[[a, b], ...]`` of the authors' file, from that, its JSON text, or a hub's table of two columns."""

    def pairs(value: Any) -> Any:
        value = from_json(value)
        if isinstance(value, dict):
            return list(zip(value.get(first, ()), value.get(second, ()), strict=True))
        return value

    return BeforeValidator(pairs)


class HotpotRow(Schema):
    """A record of HotpotQA, as the distractor file has it; 2WikiMultihopQA kept the format."""

    id: str = Field(validation_alias=AliasChoices("_id", "id"))
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    type: str = ""
    context: Annotated[tuple[tuple[str, tuple[str, ...]], ...], _pairs("title", "sentences")]
    supporting_facts: Annotated[tuple[tuple[str, int], ...], _pairs("title", "sent_id")]


class MusiqueParagraph(Schema):
    """A paragraph of a MuSiQue record."""

    title: str
    paragraph_text: str = Field(min_length=1)
    is_supporting: bool


class MusiqueRow(Schema):
    """A record of MuSiQue, from the answerable or the full file."""

    id: str
    question: str = Field(min_length=1)
    answer: str
    answer_aliases: tuple[str, ...] = ()
    answerable: bool = True
    paragraphs: tuple[MusiqueParagraph, ...]


def hotpotqa(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of HotpotQA or 2WikiMultihopQA; a document's name is its title, which Wikipedia keeps unique.

    Source: Yang et al. 2018; Ho et al. 2020.
    """
    row = HotpotRow.model_validate(fields)
    gold = tuple(dict.fromkeys(title for title, _ in row.supporting_facts))
    passages = tuple(make_passage(title, "".join(_spaced(sentences)), title) for title, sentences in row.context)
    return [Question(row.id, row.question, (row.answer,), gold, passages, group=row.type)]


def _spaced(sentences: tuple[str, ...]) -> tuple[str, ...]:
    """HotpotQA's later sentences begin with their blank, 2WikiMultihopQA's do not."""
    return tuple(text if i == 0 or text.startswith(" ") else f" {text}" for i, text in enumerate(sentences))


def musique(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of MuSiQue; its titles repeat, so documents are named by content.

    In the full file an unanswerable question keeps the answer it would have had; here it has none.

    Source: Trivedi et al. 2022.
    """
    row = MusiqueRow.model_validate(fields)
    passages = [(make_passage(item.title, item.paragraph_text), item.is_supporting) for item in row.paragraphs]
    answers = distinct([row.answer, *row.answer_aliases]) if row.answerable else ()
    return [
        Question(
            question_id=row.id,
            question=row.question,
            answers=answers,
            gold_doc_ids=tuple(passage.doc_id for passage, is_gold in passages if is_gold and row.answerable),
            passages=tuple(passage for passage, _ in passages),
            group=row.id.split("__")[0],
        )
    ]
