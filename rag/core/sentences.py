"""Sentences of a text, in any script.

Source: the sentence boundary rules of Unicode Standard Annex 29 (terminators, closing marks, no end before a small
letter), and a list of abbreviations. Thai and Lao have no sentence marks: their texts are one sentence each line.
"""

# ruff: noqa: RUF001 - the marks of other scripts look like those of ASCII.
from __future__ import annotations

import re
from collections.abc import Iterator

# Full stops that end a sentence wherever they stand: CJK, Devanagari, Arabic, Urdu, Armenian, Ethiopic, Burmese, Khmer,
# Tibetan, Sinhala.
_FULL_STOPS = "。！？｡．\u0964\u0965؟۔\u061d։\u1362\u1367\u1368\u104a\u104b\u17d4\u17d5\u0f0d\u0f0e\u0df4"
_CLOSERS = "\"'”’»›)\\]}」』】）》〉〟"
_END = re.compile(
    # Spelt out, so that "3.14", "?x=1" and "rag.core" are no ends: the marks of ASCII need a blank after them.
    rf"(?P<mark>[{_FULL_STOPS}]+|(?<![.!?…])(?P<latin>[.!?…]++))[{_CLOSERS}]*+(?(latin)(?=\s|$))\s*|\n[ \t]*\n\s*"
)
_LAST_WORD = re.compile(r"[^\s\"'(\[]+$")
_ABBREVIATED = (
    "mr mrs ms dr prof rev hon gen col capt lt sgt st jr sr vs etc cf al fig figs eq nos nr vol vols pp p ch sec ed "
    "eds inc ltd co corp dept univ approx est ca bzw usw bspw evtl ggf inkl abb str hr fr m mme mlle sra sta ud uds "
    "jan feb mar apr jun jul aug sep sept oct nov dec art sig dott ing av bd tel стр рис ул"
)
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
_MAX_WORD = 12


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence of ``text``, without the blanks around it; together they are the whole text."""
    start = _skip_blanks(text, 0)
    for match in _END.finditer(text):
        if match.start() < start or not _is_end(text, match):
            continue
        end = match.start() + len(match.group().rstrip())
        if end > start:
            yield start, end
        start = match.end()
    end = len(text.rstrip())
    if end > start:
        yield start, end


def _skip_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _is_end(text: str, match: re.Match[str]) -> bool:
    if match["latin"] is None:
        return True
    following = text[match.end() : match.end() + 1]
    if following.islower():
        return False
    if match["latin"] != ".":
        return True
    before = _LAST_WORD.search(text, max(0, match.start() - _MAX_WORD), match.start())
    word = before.group() if before else ""
    # "J. Smith", "No. 5", "3. Oktober"; "e.g. this", "Dr. Oss".
    is_initial = len(word) == 1 and word.isupper()
    is_number = word.lower() == "no" and following.isdigit()
    is_ordinal = word.isdigit() and len(word) <= 2 and "\n" not in match.group()
    return not (is_initial or is_number or is_ordinal or "." in word or word.lower() in _ABBREVIATIONS)
