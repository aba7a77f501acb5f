"""Whether a passage that seems to answer does: a second look, at the sentence that would answer.

A question can be made of a passage's own words and have no answer there. It denies what the passage says, it names
another year or another person, or it puts words of several sentences together. The first look
(:func:`rag.conflicts.reading.evidence.passage_numbers`) compares whole sentences and sees none of that. This one
compares words, by vectors that depend on the words around them.

The signs are weighed by a logistic score, fitted by ``benchmarks/verdict_support.py``. That a word is missing from the
whole passage is no sign: questions that were made to have no answer use a passage's own words, others do not.

Source: the nearest word for each word as in BERTScore (Zhang et al. 2020); the signs are ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kg.names import canonical
from kg.stems import stem, stems
from rag.conflicts.reading.evidence import MIN_CHANCE, Page, load_weights, logistic, score, score_spans
from rag.conflicts.values.words import NEGATIONS, split_words
from rag.core.encoding import Encoder, Vectors, WordVectors, read_words
from rag.core.english import FUNCTION_WORDS

_NUM_SENTENCES = 4
_WORD = re.compile(r"\w+")
# What the nearness of words is where there are no words: about the mean of the others.
_NO_LOST, _NO_HELD = 0.8, 0.5


@dataclass(frozen=True)
class Look:
    """One passage as the first look left it.

    Attributes:
        question: what is asked.
        title: of the passage.
        page: its sentences and candidates.
        chance: the probability that it answers.
    """

    question: str
    title: str
    page: Page
    chance: float


@dataclass(frozen=True)
class Claim:
    """What a passage would answer with, and the sentences that its words are compared with.

    Attributes:
        title: of the passage.
        sentence: in which the likeliest span stands.
        around: it and its neighbours.
        compared: it and the nearest other sentences.
    """

    title: str
    sentence: str
    around: str
    compared: tuple[str, ...]


def look_again(looks: Sequence[Look], encoder: Encoder) -> list[float]:
    """The probability that each passage answers, after the second look. One call of the encoder.

    The first look stands where it has dismissed a passage, and where the encoder tells no vectors of words.
    """
    claims = [
        find_claim(look.question, look.title, look.page) if look.page.candidates and look.chance >= MIN_CHANCE else None
        for look in looks
    ]
    pairs = [(look, claim) for look, claim in zip(looks, claims, strict=True) if claim is not None]
    texts = list(dict.fromkeys(text for look, claim in pairs for text in (look.question, *claim.compared)))
    read = read_words(encoder, texts) if texts else None
    if read is None:
        return [look.chance for look in looks]
    words = dict(zip(texts, read, strict=True))
    return [
        look.chance if claim is None else _weigh(look, claim, words) for look, claim in zip(looks, claims, strict=True)
    ]


def _weigh(look: Look, claim: Claim, words: Mapping[str, WordVectors]) -> float:
    told = [words[text] for text in claim.compared]
    signs = support_signs(look.question, look.chance, claim, words[look.question], told)
    return logistic(score(signs, load_weights().support))


def find_claim(question: str, title: str, page: Page) -> Claim:
    """The sentence of the likeliest span of a page that has candidates, and what is compared with the question."""
    scores = score_spans(question, page)
    index = page.candidates[max(range(len(scores)), key=scores.__getitem__)][1]
    chosen = dict.fromkeys((index, *page.order[:_NUM_SENTENCES]))
    texts = [sentence.text for sentence in page.sentences]
    around = " ".join(texts[max(index - 1, 0) : index + 2])
    return Claim(title, texts[index], around, tuple(texts[place] for place in chosen))


def support_signs(
    question: str, chance: float, claim: Claim, asked: WordVectors, told: Sequence[WordVectors]
) -> dict[str, float]:
    """The signs that a claim answers a question, by name.

    Args:
        question: what is asked.
        chance: the probability of the first look, 0 to 1, both excluded.
        claim: what the passage would answer with.
        asked: the words of the question.
        told: those of ``claim.compared``.
    """
    return {
        "bias": 1.0,
        "chance": math.log(chance / (1 - chance)),
        "lost_negation": float(is_negated(question) and not is_negated(claim.sentence)),
        **_lost_values(question, f"{claim.title} {claim.around}"),
        **_word_signs(asked, told),
    }


def is_negated(text: str) -> bool:
    """Whether a text holds a word such as "not", "never" or "without"."""
    return any(word.key in NEGATIONS for word in split_words(text))


def _lost_values(question: str, text: str) -> dict[str, float]:
    """Numbers and names of the question that the text does not hold; its first word may be any word with a capital."""
    words = _WORD.findall(question)
    numbers = {canonical(word) for word in words if word[0].isdigit()}
    names = {stem(canonical(word)) for word in words[1:] if word[0].isupper()}
    return {
        "lost_number": float(not numbers <= set(canonical(text).split())),
        "lost_name": float(not names - FUNCTION_WORDS <= set(stems(text))),
    }


def _word_signs(asked: WordVectors, told: Sequence[WordVectors]) -> dict[str, float]:
    """How near the question's words come to those of the sentence that comes nearest to all of them."""
    content = [row for row, word in enumerate(asked.words) if canonical(word) not in FUNCTION_WORDS]
    rows = [one for one in told if one.words]
    if not content or not rows:
        return {"lost_words": _NO_LOST, "held_words": _NO_HELD, "scattered": 0.0}
    # [sentences, words]: of each word of the question its nearest word in each sentence.
    nearness = np.stack([(asked.vectors[content] @ one.vectors.T).max(axis=1) for one in rows])
    best = int(nearness.mean(axis=1).argmax())
    held = set(stems(" ".join(rows[best].words)))
    is_held = np.array([stem(canonical(asked.words[row])) in held for row in content])
    return {
        "lost_words": _mean(nearness[best][~is_held], _NO_LOST),
        "held_words": _mean(nearness[best][is_held], _NO_HELD),
        "scattered": float(nearness.max(axis=0).mean() - nearness[best].mean()),
    }


def _mean(values: Vectors, default: float) -> float:
    return float(values.mean()) if len(values) else default
