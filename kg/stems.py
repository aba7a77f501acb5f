"""Content words without their English inflections, for comparing texts by words."""

from __future__ import annotations

import re

from kg.names import canonical
from rag.core.english import FUNCTION_WORDS

_SUFFIX = re.compile(r"(?:ing|edly|ed|es|s|ly|e)$")
_MIN_STEM = 3


def stems(text: str) -> list[str]:
    """The stem of each content word, in the order of the text, repetitions included."""
    return [stem(word) for word in canonical(text).split() if word not in FUNCTION_WORDS]


def stem(word: str) -> str:
    """A word without its English inflection; unchanged if fewer than 3 characters would remain."""
    cut = _SUFFIX.sub("", word)
    return cut if len(cut) >= _MIN_STEM else word
