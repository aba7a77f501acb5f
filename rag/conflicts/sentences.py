"""A text into sentences, without a model. An abbreviation, an initial or a number does not end one."""

from __future__ import annotations

import re

_ABBREVIATIONS = (
    "mr mrs ms dr prof st mt no vs etc inc ltd co corp jr sr rev hon gen col capt lt sgt fig eds e.g i.e approx ca cf "
    "dept est jan feb mar apr jun jul aug sep sept oct nov dec"
)
_SHORT = frozenset(_ABBREVIATIONS.split())
_END = re.compile(
    r"[.!?]+[\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f\u0964]+[\u201d\u300d]?\s*|\n\s*\n|\n(?=\s*[-*\u2022#|])"
)
_LAST_WORD = re.compile(r"([\w.]+)$")


def split_sentences(text: str) -> list[str]:
    """Sentences in order, without blanks around them; headings and list items stand alone."""
    sentences, start = [], 0
    for match in _END.finditer(text):
        if match[0].rstrip() == "." and _is_abbreviation(text[start : match.start()]):
            continue
        sentences.append(text[start : match.end()])
        start = match.end()
    sentences.append(text[start:])
    return [" ".join(sentence.split()) for sentence in sentences if sentence.strip()]


def _is_abbreviation(before: str) -> bool:
    match = _LAST_WORD.search(before)
    if match is None:
        return False
    word = match[1]
    return word.lower() in _SHORT or (len(word) == 1 and word.isalpha() and word.isupper())
