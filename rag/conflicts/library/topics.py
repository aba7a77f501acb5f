"""Whether two passages of a library are about one thing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from rag.conflicts.answers.same import normalize
from rag.conflicts.library.candidates import Sentence, overlap
from rag.conflicts.statements.contradict import Topic
from rag.core.passages import Passage

# Share of a passage's words that another one holds, from which they are likely about one thing. Chosen by eye on the
# first 2,500 passages of 2wiki, where passages of two subjects share less.
MIN_TOPIC = 0.4


class Topics:
    """Whether two passages are likely about one thing: by their titles, else by the words that they share."""

    def __init__(self, passages: Sequence[Passage], sentences: Sequence[Sentence]) -> None:
        self._keys: dict[str, frozenset[str]] = {}
        for sentence in sentences:
            known = self._keys.get(sentence.passage.passage_id, frozenset())
            self._keys[sentence.passage.passage_id] = known | sentence.keys
        self._titles = {passage.passage_id: _title_words(passage.title) for passage in passages}
        self._is_subject = {passage.passage_id: _names_its_title(passage) for passage in passages}

    def compare(self, one: Passage, other: Passage) -> Topic:
        """``likely`` or ``unknown``; passages about what their different titles name are about different things."""
        titles = self._titles[one.passage_id], self._titles[other.passage_id]
        if titles[0] and titles[0] == titles[1]:
            return "likely"
        if self._is_subject[one.passage_id] and self._is_subject[other.passage_id]:
            return "unknown"
        share = overlap(self._keys[one.passage_id], self._keys[other.passage_id])
        return "likely" if share >= MIN_TOPIC else "unknown"


def _title_words(title: str) -> frozenset[str]:
    """The words of a title without numbers and file endings, so that two years of one notice have one title."""
    return frozenset(re.findall(r"[^\W\d_]+", normalize(PurePath(title).stem)))


def _names_its_title(passage: Passage) -> bool:
    """Whether the text speaks of what its title names, as an article of an encyclopedia does."""
    title = normalize(re.sub(r"\([^()]*\)", "", passage.title))
    return bool(title) and f" {title} " in f" {normalize(passage.text)} "
