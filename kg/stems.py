"""Content words without their English inflections, for comparing texts by words."""

from __future__ import annotations

import re

from kg.names import canonical
from rag.core.english import FUNCTION_WORDS
from rag.core.scripts import IS_UNSPACED
from rag.core.words import query_words

_SUFFIX = re.compile(r"(?:ing|edly|ed|es|s|ly|e)$")
_MIN_STEM = 3


def stems(text: str) -> list[str]:
    """The stem of each content word, in the order of the text, repetitions included.

    Where words are not divided by blanks, pairs of characters stand for them.
    """
    words = canonical(text).split()
    if IS_UNSPACED.search(text):
        words = [part for word in words for part in query_words(word)]
    return [stem(word) for word in words if word not in FUNCTION_WORDS]


def stem(word: str) -> str:
    """A word without its English inflection; unchanged if fewer than 3 characters would remain."""
    cut = _SUFFIX.sub("", word)
    return cut if len(cut) >= _MIN_STEM else word
