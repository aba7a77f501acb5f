"""Which span of a passage answers a question, and whether any does: a few numbers for each, and their weights.

The spans of one passage compete: their scores are linear in the numbers, and a softmax makes probabilities of them. A
second, logistic score says whether the passage answers at all. The weights are fitted by
``benchmarks/verdict_reading.py``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from kg.names import canonical
from kg.stems import stem, stems
from rag.conflicts.reading.spans import AnswerKind, Sentence, Span, answer_kind, coverage

# Passages that answer with a lower probability are dismissed: a skill would find nothing there, at a price.
MIN_CHANCE = 0.2
_WORD = re.compile(r"\w+")
_WINDOW_WORDS = 6
_LEADS = {
    "by": "by",
    **dict.fromkeys(("is", "was", "are", "were", "be"), "copula"),
    **dict.fromkeys(("called", "named", "as", "known"), "naming"),
    **dict.fromkeys(("in", "at", "on", "from", "to", "near"), "place"),
    **dict.fromkeys(("the", "a", "an"), "article"),
}


@dataclass(frozen=True)
class Page:
    """A passage as it is read: its sentences, how near each is to the question, and its candidates.

    Attributes:
        sentences: in their order.
        cosines: of question and sentence, aligned with them.
        order: indices of the sentences, the likeliest first.
        candidates: spans of the likeliest sentences, each with the index of its sentence.
    """

    sentences: tuple[Sentence, ...]
    cosines: tuple[float, ...]
    order: tuple[int, ...]
    candidates: tuple[tuple[Span, int], ...]


@dataclass(frozen=True)
class Weights:
    """What the numbers count (``rag/conflicts/data/reading.json``).

    Attributes:
        spans: of the numbers of a span; those of a model's reply begin with ``model:``.
        answers: of the signs that a passage answers at all.
        silent_below: a passage that answers with a lower probability says nothing.
        support: of the signs of the second look (:mod:`rag.conflicts.reading.support`).
    """

    spans: Mapping[str, float]
    answers: Mapping[str, float]
    silent_below: float
    support: Mapping[str, float]


@lru_cache
def load_weights() -> Weights:
    """The weights that ship."""
    return Weights(**json.loads((files("rag.conflicts") / "data" / "reading.json").read_text(encoding="utf-8")))


def span_numbers(question: str, page: Page, place: int, reply: str | None = None) -> dict[str, float]:
    """The numbers of candidate ``place`` of a page, by name; a name that is missing is 0.

    Args:
        reply: what a model answered from the page; ``None`` if none was asked.
    """
    span, index = page.candidates[place]
    sentence, asked = page.sentences[index], set(stems(question))
    kind = answer_kind(question)
    before = _WORD.findall(sentence.text[: span.start - sentence.start])
    after = _WORD.findall(sentence.text[span.end - sentence.start :])
    distance, near = _nearness(before, after, asked)
    words = span.text.split()
    lead = _LEADS.get(before[-1].lower(), "") if before else "start"
    return {
        "cosine": page.cosines[index],
        "behind": max(page.cosines) - page.cosines[index],
        "coverage": coverage(question, sentence.text),
        "rank": float(page.order.index(index)),
        "first_sentence": float(index == 0),
        f"{kind}:{span.kind}": 1.0,
        "near": near,
        "distance": math.log1p(distance),
        "words": math.log(len(words)),
        "capitals": sum(word[:1].isupper() for word in words) / len(words),
        f"lead:{lead}": 1.0,
        f"{kind}:lead:{lead}": 1.0,
        "shared": sum(word in asked for word in map(stem, canonical(span.text).split())) / len(words),
        **_form(kind, span),
        **({} if reply is None else _shared_words(span.text, reply)),
    }


def _shared_words(text: str, reply: str) -> dict[str, float]:
    """How much of a candidate the model's reply holds, and how much of the reply the candidate holds."""
    words, replied = set(canonical(text).split()), set(canonical(reply).split())
    common = len(words & replied)
    return {"model:held": common / max(len(words), 1), "model:holds": common / max(len(replied), 1)}


def _form(kind: AnswerKind, span: Span) -> dict[str, float]:
    """Forms that answer a kind of question best: a full date, a number with its unit, a name of two or three words."""
    words = len(span.text.split())
    return {
        "person:full_name": float(kind == "person" and span.kind == "name" and 2 <= words <= 3),
        "time:full_date": float(kind == "time" and span.kind == "date" and words >= 2),
        "number:unit": float(kind == "number" and span.kind == "number" and words >= 2),
    }


def _nearness(before: Sequence[str], after: Sequence[str], asked: set[str]) -> tuple[int, float]:
    """Words to the nearest word of the question, and the share of the question's words within a few words."""
    around = [*enumerate(reversed(before)), *enumerate(after)]
    hits = [(distance, stem(canonical(word))) for distance, word in around if stem(canonical(word)) in asked]
    near = {word for distance, word in hits if distance < _WINDOW_WORDS}
    return min((distance for distance, _ in hits), default=20), len(near) / len(asked) if asked else 0.0


def passage_numbers(question: str, page: Page, text: str, scores: Sequence[float]) -> dict[str, float]:
    """Signs that a passage does not answer: what the question names and the passage does not.

    Args:
        text: the passage with its title.
        scores: of its candidates, without a model.
    """
    asked, held = set(stems(question)), set(stems(text))
    named = [word for word in _WORD.findall(question)[1:] if word[0].isupper() or word[0].isdigit()]
    lost = [word for word in named if stem(canonical(word)) not in held]
    best = page.sentences[page.order[0]].text if page.order else ""
    return {
        "bias": 1.0,
        "best_cosine": max(page.cosines, default=0.0),
        "mean_cosine": sum(page.cosines) / max(len(page.cosines), 1),
        "coverage": len(asked & held) / len(asked) if asked else 0.0,
        "best_coverage": coverage(question, best),
        "names": float(bool(named)),
        "lost_names": len(lost) / len(named) if named else 0.0,
        **(top_signs(scores) if scores else {"empty": 1.0}),
    }


def top_signs(scores: Sequence[float]) -> dict[str, float]:
    """The best score, and by how much it leads."""
    best, second = sorted((*scores, min(scores)), reverse=True)[:2]
    return {"best": best, "margin": best - second}


def score(numbers: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The linear score; a number without a weight counts nothing."""
    return sum(weights.get(name, 0.0) * value for name, value in numbers.items())


@lru_cache(maxsize=64)  # several looks at one page need its scores
def score_spans(question: str, page: Page, reply: str | None = None) -> tuple[float, ...]:
    """The score of each candidate of a page; ``reply`` is what a model answered from it."""
    weights = load_weights().spans
    return tuple(score(span_numbers(question, page, place, reply), weights) for place in range(len(page.candidates)))


def logistic(value: float) -> float:
    """A score as a probability."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def softmax(scores: Sequence[float]) -> list[float]:
    """Scores as probabilities that sum to 1."""
    if not scores:
        return []
    top = max(scores)
    powers = [math.exp(value - top) for value in scores]
    return [power / sum(powers) for power in powers]
