"""Whether two questions ask the same by their words alone: no model, no statistics, some microseconds.

Three things are read off a question, its polite frame ("can you tell me ...") and articles cut off: all its words,
its content words, and its turns, the little words and numbers that change what is asked. "When was she born?" and
"Where was she born?" have the same content and other turns; "Who beat Spain?" and "Who did Spain beat?" the same words
in another order. A question taken for another one costs its answer, one that is not recognised only time: when in
doubt, they differ.

Source: ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kg.names import FUNCTION_WORDS, canonical
from retrievers.graph.index import stem

_INTERROGATIVE_WORDS = "who whom whose what which when where why how"
_INTERROGATIVES = frozenset(_INTERROGATIVE_WORDS.split())
# Negation, order, amount and time: the same content with another one asks for something else.
_TURNING_WORDS = (
    "after against all before below above both during each either every except few first last later least less many "
    "more most much neither never no nor not only same second since third three two under unlike until without"
)
_TURNS = _INTERROGATIVES | frozenset(_TURNING_WORDS.split())
# In lower case a country, a month and names look like these.
_CONTENT = frozenset(["us", "may", "will", "might"])
# An "s" is what is left of a possessive whose apostrophe was left out.
_SILENT = frozenset(["a", "an", "the", "do", "does", "did", "s"])
_FRAMING_WORDS = "ask curious explain find give know let me need out please say show tell whether wish wonder"
_FRAME = frozenset(_FRAMING_WORDS.split())
_AUXILIARY_WORDS = "am are can could did do does had has have is may might must should was were will would"
_AUXILIARIES = frozenset(_AUXILIARY_WORDS.split())
_SPELLINGS = {"whom": "who", "which": "what"}
_NEGATION = re.compile(r"n['\u2019]t\b|\bcannot\b")


@dataclass(frozen=True)
class Wording:
    """The words of a question, in their order.

    Attributes:
        words: stems of all words but articles.
        content: stems of the content words, each once.
        turns: the little words and the numbers that change what is asked.
        is_keywords: no sentence, but what people type into a search box.
    """

    words: tuple[str, ...]
    content: tuple[str, ...]
    turns: frozenset[str]
    is_keywords: bool

    def says(self, other: Wording) -> bool:
        """Whether these are the words of ``other``, or keywords that hold all its content."""
        if not self.content:
            return False
        if self.is_keywords and self.content == other.content:
            return set(self.words) <= set(other.words)
        return self.words == other.words

    def turns_as(self, other: Wording) -> bool:
        """Whether both may ask for the same; keywords leave open what the other one says."""
        return self.turns <= other.turns if self.is_keywords else self.turns == other.turns


def wording(question: str) -> Wording:
    """The wording of a question, whatever its capitals, accents and punctuation."""
    spoken = _unframed(canonical(_NEGATION.sub(" not", question)).split())
    words = [_SPELLINGS.get(word, word) for word in spoken if word not in _SILENT]
    content = dict.fromkeys(stem(word) for word in words if word not in FUNCTION_WORDS or word in _CONTENT)
    turns = frozenset(word for word in words if word in _TURNS or word[0].isdigit())
    is_sentence = not _AUXILIARIES.isdisjoint(spoken[:1]) or not _INTERROGATIVES.isdisjoint(spoken)
    return Wording(tuple(map(stem, words)), tuple(content), turns, not is_sentence)


def _unframed(words: list[str]) -> list[str]:
    """Without the words before the question that only say that something is asked."""
    start = 0
    for place, word in enumerate(words):
        if word in _FRAME:
            start = place + 1
        elif word in _INTERROGATIVES or word not in FUNCTION_WORDS:
            break
    return words[start:]
