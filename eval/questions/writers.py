"""Who drafts questions of a passage: the deterministic writer, or the engine's own model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rag.core.english import FUNCTION_WORDS
from rag.core.errors import SettingError
from rag.core.passages import Passage
from rag.generation.base import Generator
from rag.patches.base import PatchDocument
from rag.patches.questions.model import ModelAugmenter
from rag.patches.questions.rules import write_rules

WriterName = Literal["rules", "model"]
# The first wordings of an answer are direct questions; later ones only train a patch.
_WORDINGS = 4
_MIN_WORDS, _MAX_WORDS = 4, 30
_ASKS = re.compile(
    r"(?:(?:in|at|to|from|by|of|on|for|with) )?(?:who|whom|whose|what|which|when|where|how)\b(?! or what\b)",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"About ([^:\n]*): ")
# Where the answer was cut out of the middle of something: "called the?", "there  two tides", "Which last is".
_BROKEN = re.compile(
    r"\s(?:the|a|an|of)\?$|\s\s|^which (?:first|last|next|second|third)\b|^how many [ap]m\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Draft:
    """A question that a passage may answer, not yet checked."""

    question: str
    answer: str


Writer = Callable[[Sequence[Passage]], list[list[Draft]]]


def choose_writer(name: str, generator: Callable[[], Generator]) -> Writer:
    """The writer with this name; ``generator`` is called for the model's writer only.

    Raises:
        SettingError: there is no such writer.
    """
    if name not in get_args(WriterName):
        raise SettingError(f"writer={name!r}; expected {' or '.join(get_args(WriterName))}")
    return write_by_rules if name == "rules" else lambda passages: write_by_model(generator(), passages)


def write_by_rules(passages: Sequence[Passage]) -> list[list[Draft]]:
    """One direct question about each name, number or year of each passage; English texts only."""
    return [
        _first_of_each_answer(
            [Draft(item.question, item.answer) for item in write_rules(_document(passage), _WORDINGS)]
        )
        for passage in passages
    ]


def write_by_model(generator: Generator, passages: Sequence[Passage]) -> list[list[Draft]]:
    """What the model asks about names and numbers of each passage, all passages in one batch."""
    written = ModelAugmenter(generator, Path()).ask([_document(passage) for passage in passages])
    return [_first_of_each_answer([Draft(*pair) for pair in pairs]) for pairs in written]


def is_direct(question: str) -> bool:
    """Whether a text asks as a person would: by its question word first, and in one line of 4 to 30 words.

    A subject of one word before it ("About Opening: ...") is as a rule the first word of a sentence.
    """
    about = _ABOUT.match(question)
    asked = question[about.end() :] if about else question
    is_line = "\n" not in question and question.endswith("?") and _MIN_WORDS <= len(asked.split()) <= _MAX_WORDS
    has_subject = about is None or " " in about.group(1)
    return is_line and has_subject and bool(_ASKS.match(asked)) and not _BROKEN.search(asked)


def _first_of_each_answer(drafts: Sequence[Draft]) -> list[Draft]:
    """The first direct question about each answer; one that holds its own answer is none."""
    chosen: dict[str, Draft] = {}
    for draft in drafts:
        answer = draft.answer.casefold()
        if is_direct(draft.question) and answer not in draft.question.casefold() and answer not in FUNCTION_WORDS:
            chosen.setdefault(answer, draft)
    return list(chosen.values())


def _document(passage: Passage) -> PatchDocument:
    return PatchDocument(passage.doc_id, passage.title, passage.text, "", (passage.text,))
