"""The words of a text as the sparse index sees them, in any script.

Both kinds of library get their words from here, so that they rank in the same way. Words are folded: compatibility
forms (ligatures, full width), case and accents do not matter. Scripts without blanks between words give each character
and each pair of neighbours: no word list can be wrong, and a pair is nearly as good as a word (Nie et al. 2000, "On
the use of words and n-grams for Chinese information retrieval"). A word that is hyphenated at the end of a line also
counts as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rag.core.scripts import ARABIC, CASELESS, HEBREW, UNSPACED

# Longer ones are no words; a column of PostgreSQL takes no more than 2,046 bytes of one.
MAX_CHARS = 64
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# A run of a script without blanks, an emoji (its skin colour aside), or letters, digits and their marks.
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
_TOKEN = re.compile(rf"(?P<run>[{UNSPACED}]+)|[{_EMOJI}]|(?:(?![{UNSPACED}])(?:[^\W_]|[{CASELESS}]))+")
# Latin, Greek, Cyrillic, Hebrew and Arabic are read without their marks; in other scripts a mark makes another word.
_HAS_OPTIONAL_MARKS = re.compile(rf"[A-Za-z\u00c0-\u024f\u0370-\u052f\u1e00-\u1fff{HEBREW}{ARABIC}]")
_NOT_ASCII = re.compile(r"(?P<before>[\x00-\x7f]?)(?P<run>[^\x00-\x7f]+)")
_INVISIBLE = re.compile("[\u00ad\u0640\u200c\u200d\u2060\ufeff\ufe0e\ufe0f]")
_SOFT_HYPHEN_AT_END = re.compile("\u00ad[ \t]*\r?\n[ \t]*")
# Possessive, and from a word's beginning only: else a long run of letters takes time in the square of its length.
_HYPHEN_AT_END = re.compile(r"(?<![^\W\d_])([^\W\d_]++)[-\u2010][ \t]*\r?\n[ \t]*([^\W\d_]+)")
_WRAPPED = re.compile(rf"(?<=[{UNSPACED}])[ \t]*\r?\n[ \t]*(?=[{UNSPACED}])")


def index_words(text: str) -> list[str]:
    """The words by which a passage is found, in the order of the text."""
    return list(_words(text, has_single=True))


def query_words(text: str) -> list[str]:
    """The words to search for: as :func:`index_words`, but single characters only where they stand alone."""
    return list(_words(text, has_single=False))


def fold(text: str) -> str:
    """Compatibility forms, case, accents, invisible characters and forms of digits taken away."""
    if not text.isascii():
        text = _INVISIBLE.sub("", _SOFT_HYPHEN_AT_END.sub("", text)).replace("\u200b", " ")
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return folded
    return unicodedata.normalize("NFC", _NOT_ASCII.sub(_without_marks, unicodedata.normalize("NFKD", folded)))


def _without_marks(run: re.Match[str]) -> str:
    """What is not ASCII, without marks that do not matter after the character before them, and with plain digits."""
    return run["before"] + "".join(_plain(run["run"], is_optional=bool(run["before"])))


def _plain(text: str, *, is_optional: bool) -> Iterator[str]:
    for character in text:
        if unicodedata.category(character) == "Mn":
            if is_optional:
                continue
        elif character.isdecimal():
            character = str(unicodedata.decimal(character))
        else:
            is_optional = _HAS_OPTIONAL_MARKS.match(character) is not None
        yield character


def _words(text: str, *, has_single: bool) -> Iterator[str]:
    if "\n" in text:
        text = _HYPHEN_AT_END.sub(r"\g<0> \1\2", text)
    if text.isascii():
        yield from (word[:MAX_CHARS] for word in _ASCII_WORD.findall(text.lower()))
        return
    for match in _TOKEN.finditer(_WRAPPED.sub("", fold(text))):
        if match["run"] is None:
            yield match.group()[:MAX_CHARS]
        else:
            yield from _pairs(letters(match["run"]), has_single=has_single)


def _pairs(run: list[str], *, has_single: bool) -> Iterator[str]:
    for position, letter in enumerate(run):
        if has_single or len(run) == 1:
            yield letter
        if position + 1 < len(run):
            yield letter + run[position + 1]


def letters(run: str) -> list[str]:
    """The characters of a run, each with the marks that belong to it."""
    parts: list[str] = []
    for character in run:
        if parts and unicodedata.category(character)[0] == "M":
            parts[-1] += character
        else:
            parts.append(character)
    return parts
