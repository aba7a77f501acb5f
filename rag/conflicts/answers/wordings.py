"""Whether the words of two answers name the same thing: equal, a form of one name, or one within the other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.conflicts.answers.names import compare_persons, drop_titles, expand, is_acronym
from rag.conflicts.answers.parts import AnswerParts
from rag.conflicts.values.sameness import Sameness
from rag.conflicts.values.words import NEGATIONS, Word, is_unspaced, singular, word_set

# Words before a name that make it another one.
_CHANGING = word_set(
    "north south east west northern southern eastern western new upper lower great greater lesser anti non pre post "
    "former ex vice deputy co assistant acting half step grand sub under equatorial inner outer old semi pseudo fake "
    "lesser central no not outside near almost opposite against except unlike grandson son daughter wife husband "
    "northeast northwest southeast southwest"
)
# "the city of Paris" is Paris; "the University of Michigan" is not Michigan.
_CLASSES = word_set(
    "city town state county village district region province republic kingdom island river commonwealth municipality "
    "borough parish month year"
)
_CJK_ENDS = re.compile(r"(?<=..)(?:[市省县縣国國都府州区區町村氏시도군씨님]|さん|先生|女士)$")
_CJK_PLACES = re.compile(r"[国國省市州县縣・·\u3001\uff0c,\s]$")


def compare_words(one: AnswerParts, other: AnswerParts) -> Sameness:
    """The words of two answers: names in every form they can take, and one answer within the other."""
    if not one.words or not other.words:
        return "fuller" if one.words or other.words else "equal"
    a, b = _keys(one.words), _keys(other.words)
    if [_CJK_ENDS.sub("", key) for key in a] == [_CJK_ENDS.sub("", key) for key in b]:
        return "equal"
    if expand(_raw(one.words)) == expand(_raw(other.words)) or "".join(a) == "".join(b):
        return "equal"
    if is_acronym(one.words, other.words) or is_acronym(other.words, one.words):
        return "equal"
    if is_unspaced(one.text + other.text):
        return _compare_unspaced("".join(a), "".join(b))
    if _is_within(one, other) or _is_within(other, one):
        return "fuller"
    return compare_persons(one.words, other.words)


def _keys(words: Sequence[Word]) -> list[str]:
    return [singular(word) for word in words if not word.is_article]


def _raw(words: Sequence[Word]) -> list[str]:
    return [word.key for word in words]


def _is_within(short: AnswerParts, long: AnswerParts) -> bool:
    """Whether a longer answer names the shorter one, and the words around it do not make it something else."""
    words = [word for word in long.words if not word.is_article]
    for part in (short.words, drop_titles(short.words)):
        keys, inside = _keys(part), _keys(words)
        places = range(len(inside) - len(keys) + 1)
        if any(inside[i : i + len(keys)] == keys and _is_clean(words, i, i + len(keys)) for i in places):
            return True
    return False


def _is_clean(words: Sequence[Word], start: int, end: int) -> bool:
    """Whether the words around a part of an answer leave its meaning as it is."""
    before = words[start - 1].key if start else ""
    if before in _CHANGING or before in NEGATIONS or (end < len(words) and words[end - 1].is_owner):
        return False
    if before == "of":
        return start >= 2 and words[start - 2].key in _CLASSES
    return not (end < len(words) and words[end].key in ("or", "grandson"))


def _compare_unspaced(one: str, other: str) -> Sameness:
    """Chinese, Japanese and Thai: the name with its kind ("北京市"), or with the place that it lies in before it."""
    one, other = _CJK_ENDS.sub("", one), _CJK_ENDS.sub("", other)
    if one == other:
        return "equal"
    short, long = sorted((one, other), key=len)
    if len(short) >= 2 and long.endswith(short) and _CJK_PLACES.search(long[: -len(short)]):
        return "fuller"
    return "different"
