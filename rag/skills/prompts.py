"""What a judge is asked. A reader is asked what every answer is asked: :func:`rag.core.prompts.build_prompts`."""

from __future__ import annotations

from rag.core.passages import Passage
from rag.core.prompts import passage_block
from rag.core.query import Message

# What a passage says of an answer; the first tokens differ.
JUDGE_LABELS = ("supports", "contradicts", "nothing")


def judge_prompt(question: str, passage: Passage, answer: str = "") -> tuple[Message, ...]:
    """Does the passage support the answer, contradict it, or say nothing of it?

    Without an answer: does it help to answer the question (``supports``), or not (``nothing``)?
    """
    asked = [f"Question: {question}", f"Answer: {answer}"] if answer else [f"Question: {question}"]
    what = "this answer" if answer else "an answer"
    order = f"Does the text support {what}? Say supports, contradicts or nothing."
    return (Message("user", "\n".join([passage_block(passage), "", *asked, order])),)
