"""Copies: passages with nearly the same words under other names. They are one voice, however many files hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rag.conflicts.values.words import split_words

# Share of common word sequences from which two passages are copies. Not chosen on data: a copy with another title or
# another last line keeps more, two texts on one subject keep far less.
MIN_OVERLAP = 0.8
# Share from which a passage is an altered copy of another one, if their answers differ. Chosen on RAMDocs, rows 1-250:
# a position of one source that is such a copy was wrong in 29 of 35 cases, another lone position in 54 of 109.
MIN_ALTERED = 0.3
_SHINGLE = 5
# Shorter texts are copies only word by word: "The mayor is Ann Bell." is easily written twice.
_MIN_WORDS = 12


def find_copies(texts: Mapping[str, str]) -> dict[str, str]:
    """The first passage of each group of copies, for every passage.

    Args:
        texts: text of each passage by passage_id, best first.
    """
    firsts: list[tuple[str, frozenset[str]]] = []
    groups = {}
    for passage_id, text in texts.items():
        shingles = _shingles(text)
        same = (first for first, other in firsts if _overlap(shingles, other) >= MIN_OVERLAP)
        groups[passage_id] = next(same, passage_id)
        if groups[passage_id] == passage_id:
            firsts.append((passage_id, shingles))
    return groups


def is_altered_copy(text: str, others: Iterable[str]) -> bool:
    """Whether a passage shares long runs of words with one of the others, as an edited copy does."""
    shingles = _shingles(text)
    return any(_overlap(shingles, _shingles(other)) >= MIN_ALTERED for other in others)


def _shingles(text: str) -> frozenset[str]:
    words = [word.key for word in split_words(text)]
    size = _SHINGLE if len(words) >= _MIN_WORDS else max(1, len(words))
    return frozenset(" ".join(words[i : i + size]) for i in range(len(words) - size + 1))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard's index; a passage without words is a copy of nothing."""
    return len(one & other) / len(one | other) if one and other else 0.0
