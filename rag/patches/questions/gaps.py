"""Answers in sentences: names, numbers and years, each with the words around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag.core.english import FUNCTION_WORDS
from rag.patches.questions.sentences import NAME

_NUMBER = r"\d[\d,.]*\d|\d"
_SPAN = re.compile(rf"{NAME}|{_NUMBER}")
_YEAR = re.compile(r"1\d{3}|20\d\d")
_PLACE = frozenset(("in", "at", "near", "from", "to", "into", "on", "off", "outside", "inside", "around"))
_CLASSIFIED = re.compile(r"\bthe\s([a-z]+)\s$")


@dataclass(frozen=True)
class Gap:
    """A sentence around an answer."""

    before: str
    answer: str
    after: str
    noun: str = ""

    @property
    def last_word(self) -> str:
        return self.before.split()[-1].lower() if self.before.split() else ""

    @property
    def kind(self) -> str:
        """What asks for answers of this kind; nothing where the sentence does not tell."""
        by_word = {"what year": "when", "how many": "how many", "what place": "where", "whom": "who"}
        is_name = self.asks == "who or what" and " " in self.answer
        return "who" if is_name else by_word.get(self.asks, "")

    @property
    def asks(self) -> str:
        """The word that asks for this answer."""
        if self.noun:
            return f"which {self.noun}"
        if _YEAR.fullmatch(self.answer):
            return "what year"
        if self.answer[0].isdigit():
            return "how many" if re.match(r"\s[a-z]", self.after) else "what number"
        if self.last_word in _PLACE:
            return "what place"
        return "whom" if self.last_word == "by" else "who or what"


def find_gaps(sentence: str) -> Iterator[Gap]:
    for match in _SPAN.finditer(sentence):
        answer = match.group().removesuffix("'s")
        is_word = match.start() == 0 and answer.lower() in FUNCTION_WORDS
        if not is_word and answer.split()[0].lower() not in ("the", "a", "an"):
            before, after = sentence[: match.start()], sentence[match.start() + len(answer) :]
            # "the river Lom": a plain noun before a name says what the name is of.
            noun = None if answer[0].isdigit() else _CLASSIFIED.search(before)
            yield Gap(before[: noun.start()] if noun else before, answer, after, noun.group(1) if noun else "")
