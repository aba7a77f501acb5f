"""The ways in which people and other collections write the same question and the same passage."""

from __future__ import annotations

import random
import re

from rag.conflicts.sentences import sentence_spans
from rag.skills.data.rows import Row

_SPACED = re.compile(r"([,;:!?()\[\]]|\.(?=\s|$)|'s\b)")
_SHARE_TITLED, _SHARE_LOWERED, _SHARE_SPACED, _SHARE_CUT = 0.5, 0.3, 0.12, 0.35


def restyle(row: Row, rng: random.Random) -> Row:
    """The row in one of many ways of writing: with and without title, in lower case, tokenised, cut to its middle."""
    title = row.title if rng.random() < _SHARE_TITLED else ""
    question, text = _restyle_question(row.question, rng), row.text
    if rng.random() < _SHARE_CUT:
        text = cut(row, rng)
    answers = row.answers
    if rng.random() < _SHARE_SPACED:
        question, text = _space(question), _space(text)
        answers = tuple(_space(answer) for answer in answers)
    return Row(row.document, title, text, question, answers, row.is_written)


def cut(row: Row, rng: random.Random) -> str:
    """A few sentences of the passage; of those that hold the answer if it has one."""
    spans = list(sentence_spans(row.text))
    if len(spans) < 2:
        return row.text
    holding = [
        index
        for index, (start, end) in enumerate(spans)
        if any(answer.casefold() in row.text[start:end].casefold() for answer in row.answers)
    ]
    if row.answers and not holding:
        return row.text
    middle = rng.choice(holding or range(len(spans)))
    first = max(0, middle - rng.randint(0, 2))
    last = min(len(spans) - 1, middle + rng.randint(0, 2))
    return row.text[spans[first][0] : spans[last][1]]


def _restyle_question(question: str, rng: random.Random) -> str:
    if rng.random() >= _SHARE_LOWERED:
        return question
    lowered = question.lower() if rng.random() < 0.6 else question[:1] + question[1:].lower()
    return lowered.rstrip("?").rstrip() + rng.choice(("", "", " ?", "?"))


def _space(text: str) -> str:
    """As a tokeniser of words leaves it: blanks before marks, quotes doubled."""
    quoted = re.sub(r'"([^"]*)"', r"`` \1 ''", text)
    return " ".join(_SPACED.sub(r" \1 ", quoted).split())
