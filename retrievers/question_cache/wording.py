"""Compare two questions by their words alone, without a model. It takes a few microseconds.

Articles and polite openings ("can you tell me ...") are cut off first. Three things are then read from a question: all
its words, its content words, and its modifiers, which are the small words and numbers that change what is asked. "When
was she born?" and "Where was she born?" have the same content words and different modifiers. "Who beat Spain?" and
"Who did Spain beat?" have the same words in a different order. Taking one question for another gives a wrong answer;
not recognising one only costs time. So in doubt, two questions differ.

Source: ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kg.names import canonical
from kg.stems import stem
from rag.core.english import AMBIGUOUS, AUXILIARIES, FUNCTION_WORDS, INTERROGATIVES, MODIFIERS, OPENINGS, SILENT

_SPELLINGS = {"whom": "who", "which": "what"}
_NEGATION = re.compile(r"n['\u2019]t\b|\bcannot\b")


@dataclass(frozen=True)
class Wording:
    """The words of a question, in their order.

    Attributes:
        words: stems of all words except articles and auxiliary "do".
        content: stems of the content words, each once.
        modifiers: small words and numbers that change what is asked.
        is_keywords: keywords, as typed into a search box, and not a sentence.
    """

    words: tuple[str, ...]
    content: tuple[str, ...]
    modifiers: frozenset[str]
    is_keywords: bool

    def has_same_words(self, other: Wording) -> bool:
        """Whether both have the same words, or these are keywords with all content words of ``other``."""
        if not self.content:
            return False
        if self.is_keywords and self.content == other.content:
            return set(self.words) <= set(other.words)
        return self.words == other.words

    def may_ask_the_same(self, other: Wording) -> bool:
        """Whether the modifiers allow that both ask for the same; keywords may leave modifiers out."""
        return self.modifiers <= other.modifiers if self.is_keywords else self.modifiers == other.modifiers


def wording(question: str) -> Wording:
    """The wording of a question; capitals, accents and punctuation do not matter."""
    all_words = _without_opening(canonical(_NEGATION.sub(" not", question)).split())
    words = [_SPELLINGS.get(word, word) for word in all_words if word not in SILENT]
    content = dict.fromkeys(stem(word) for word in words if word not in FUNCTION_WORDS or word in AMBIGUOUS)
    modifiers = frozenset(word for word in words if word in MODIFIERS or word[0].isdigit())
    is_sentence = not AUXILIARIES.isdisjoint(all_words[:1]) or not INTERROGATIVES.isdisjoint(all_words)
    return Wording(tuple(map(stem, words)), tuple(content), modifiers, not is_sentence)


def _without_opening(words: list[str]) -> list[str]:
    """The words after an opening that only says that something is asked."""
    start = 0
    for position, word in enumerate(words):
        if word in OPENINGS:
            start = position + 1
        elif word in INTERROGATIVES or word not in FUNCTION_WORDS:
            break
    return words[start:]
