"""Sentences of different documents that talk of the same thing: by pairs of rare words that both hold.

The work is bounded: a sentence has a fixed number of word pairs, and a pair of words leads to a fixed number of
sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

from rag.conflicts.sentences import split_sentences
from rag.conflicts.statements.difference import MIN_OVERLAP
from rag.conflicts.statements.statement import read_statement
from rag.conflicts.values.words import is_unspaced, split_words
from rag.core.passages import Passage

# The rarest words of a sentence that others hold too, and how many sentences one pair of them may lead to.
_NUM_RARE = 6
_MAX_PER_PAIR = 30
_MAX_KEYS = 60
_MIN_KEYS = 2


@dataclass(frozen=True)
class Sentence:
    """A sentence, where it stands, and the stems and values in it."""

    text: str
    passage: Passage
    keys: frozenset[str]


def read_sentences(passages: Iterable[Passage]) -> Iterator[Sentence]:
    """The sentences of all passages that can state something; one that stands twice in a document comes once."""
    seen: set[tuple[str, str]] = set()
    for passage in passages:
        for text in split_sentences(passage.text):
            place = (passage.doc_id, text)
            keys = content_keys(text)
            if place not in seen and _MIN_KEYS <= len(keys) <= _MAX_KEYS:
                seen.add(place)
                yield Sentence(text, passage, keys)


def content_keys(sentence: str) -> frozenset[str]:
    """The stems and values of a sentence, for comparing what two sentences talk of.

    Of a script without blanks between words, pairs of characters.
    """
    if is_unspaced(sentence):
        characters = "".join(word.key for word in split_words(sentence))
        return frozenset(a + b for a, b in pairwise(characters))
    return frozenset(token.stem or token.text.lower() for token in read_statement(sentence).content)


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Share of the smaller set that the other one holds, 0 to 1."""
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0


def find_candidates(sentences: list[Sentence], first: int = 0) -> Iterator[tuple[int, list[int]]]:
    """For each sentence from number ``first`` on, the earlier ones of other documents that it may contradict."""
    counts = Counter(key for sentence in sentences for key in sentence.keys)
    holders: dict[tuple[str, str], list[int]] = {}
    for number, sentence in enumerate(sentences):
        rare = sorted((key for key in sentence.keys if counts[key] > 1), key=lambda key: (counts[key], key))[:_NUM_RARE]
        near: set[int] = set()
        for pair in combinations(sorted(rare), 2):
            held = holders.setdefault(pair, [])
            near.update(held)
            if len(held) < _MAX_PER_PAIR:
                held.append(number)
        if number >= first:
            yield number, [other for other in sorted(near) if _may_clash(sentence, sentences[other])]


def _may_clash(one: Sentence, other: Sentence) -> bool:
    is_other_document = one.passage.doc_id != other.passage.doc_id and one.text != other.text
    return is_other_document and overlap(one.keys, other.keys) >= MIN_OVERLAP
