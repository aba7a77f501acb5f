"""Data sets whose passages contradict the model's memory or each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, Field

from eval.datasets.schema import OneOrMany, Schema, distinct, make_passage
from eval.types import Question


class NqSwapRow(Schema):
    """A row of NQ-Swap: the original passage, and the same with the answer's entity swapped."""

    question: str = Field(min_length=1)
    org_context: str = Field(min_length=1)
    org_answer: OneOrMany = Field(min_length=1)
    sub_context: str = Field(min_length=1)
    sub_answer: OneOrMany = Field(min_length=1)


class NqSynthRow(Schema):
    """A pair of an agreeing and a conflicting passage for one question."""

    id: str = ""
    question: str = Field(min_length=1)
    agreeing_context: str = Field(min_length=1)
    agreeing_answer: str = Field(min_length=1)
    conflicting_context: str = Field(min_length=1)
    conflicting_answer: str = Field(min_length=1)
    aliases: OneOrMany = ()


class ConfiqaRow(Schema):
    """A record of ConFiQA (QA, MR or MC)."""

    id: str = ""
    question: str = Field(min_length=1)
    orig_context: str = Field(min_length=1)
    orig_answer: str = Field(min_length=1)
    orig_alias: OneOrMany = ()
    cf_context: str = Field(min_length=1)
    cf_answer: str = Field(min_length=1)
    cf_alias: OneOrMany = ()


class RamDocument(Schema):
    """A document of a RAMDocs record."""

    text: str = Field(min_length=1)
    type: str = Field(pattern="^(correct|misinfo|noise)$")
    answer: str


class RamdocsRow(Schema):
    """A line of RAMDocs."""

    question: str = Field(min_length=1)
    documents: tuple[RamDocument, ...] = Field(min_length=1)
    gold_answers: tuple[str, ...] = Field(min_length=1)
    wrong_answers: tuple[str, ...]
    disambig_entity: OneOrMany = ()


class FactObject(Schema):
    """An object of an edited fact."""

    name: str = Field(validation_alias=AliasChoices("str", "name"), min_length=1)


class EditedFact(Schema):
    """An edited fact of MQuAKE; ``prompt`` has ``{}`` where the subject goes."""

    prompt: str = Field(min_length=1)
    subject: str = Field(min_length=1)
    target_true: FactObject
    target_new: FactObject

    def state(self, target: FactObject) -> str:
        """The fact as a sentence."""
        return f"{self.prompt.replace('{}', self.subject)} {target.name}."


class MquakeRow(Schema):
    """A case of MQuAKE: several wordings of one multi-hop question, and the facts edited on its path."""

    case_id: str
    questions: tuple[str, ...] = Field(min_length=1)
    answer: str = Field(min_length=1)
    answer_alias: tuple[str, ...] = ()
    new_answer: str = Field(min_length=1)
    new_answer_alias: tuple[str, ...] = ()
    requested_rewrite: tuple[EditedFact, ...] = Field(min_length=1)


def nq_swap(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of NQ-Swap. Source: Longpre et al. 2021."""
    row = NqSwapRow.model_validate(fields)
    return [_pair(fallback_id, row.question, row.org_answer, row.org_context, row.sub_answer, row.sub_context)]


def nq_synth(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question with an agreeing and a conflicting passage.

    ``aliases`` are further right answers; one that says what the conflicting passage says is left out.
    """
    row = NqSynthRow.model_validate(fields)
    answers = distinct([row.agreeing_answer, *row.aliases], unlike=[row.conflicting_answer])
    counter = (row.conflicting_answer,)
    return [_pair(row.id or fallback_id, row.question, answers, row.agreeing_context, counter, row.conflicting_context)]


def confiqa(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of ConFiQA. Source: Bi et al. 2024 (Context-DPO)."""
    row = ConfiqaRow.model_validate(fields)
    answers, counter = (row.orig_answer, *row.orig_alias), (row.cf_answer, *row.cf_alias)
    return [_pair(row.id or fallback_id, row.question, answers, row.orig_context, counter, row.cf_context)]


def mquake(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """The wordings of a case of MQuAKE; its passages are the facts before and after the edits.

    Source: Zhong et al. 2023.
    """
    row = MquakeRow.model_validate(fields)
    answers, counter = (row.answer, *row.answer_alias), (row.new_answer, *row.new_answer_alias)
    before = " ".join(fact.state(fact.target_true) for fact in row.requested_rewrite)
    after = " ".join(fact.state(fact.target_new) for fact in row.requested_rewrite)
    wordings = enumerate(row.questions)
    return [_pair(f"{row.case_id}-{i}", text, answers, before, counter, after) for i, text in wordings]


def ramdocs(fields: Mapping[str, Any], fallback_id: str) -> list[Question]:
    """A question of RAMDocs: right, wrong and noisy documents together, several answers may be right.

    Source: Wang et al. 2025 (MADAM-RAG).
    """
    row = RamdocsRow.model_validate(fields)
    documents = [(make_passage("", item.text), item.type) for item in row.documents]
    return [
        Question(
            question_id=fallback_id,
            question=row.question,
            answers=distinct(row.gold_answers),
            gold_doc_ids=tuple(dict.fromkeys(passage.doc_id for passage, kind in documents if kind == "correct")),
            passages=tuple(passage for passage, _ in documents),
            wrong_answers=distinct(row.wrong_answers, unlike=row.gold_answers),
        )
    ]


def _pair(
    question_id: str, question: str, answers: tuple[str, ...], text: str, counter: tuple[str, ...], counter_text: str
) -> Question:
    """A question with one agreeing and one contradicting passage."""
    passage, counter_passage = make_passage("", text), make_passage("", counter_text)
    counter_answers = distinct(counter, unlike=answers)
    if not counter_answers:
        raise ValueError(f"the conflicting answer {counter[0]!r} equals the original one; no conflict is left")
    return Question(
        question_id, question, distinct(answers), (passage.doc_id,), (passage,), counter_answers, (counter_passage,)
    )
