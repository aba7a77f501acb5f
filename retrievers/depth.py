"""Further rounds of retrieval: sub-questions about the names that the passages of the round before bring in.

A passage that answers one hop names what the next hop is about. So each of the best passages asks a sub-question of
every candidate that shares a name with it: that name, and the question's words that the passage leaves open. "Which
river flows through the town where Ada was born?" after a passage about Ada becomes "Port Selwick river flows town". A
candidate is worth its own score and the best answer that one of its sentences gives to such a question. With the new
scores the next round begins. No language model is asked.

Source: ours; rounds after Adaptive-Note, decomposition against the corpus after PIKE-RAG.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kg.extract import NameExtractor
from kg.stems import stems
from rag.core.encoding import Encoder, Vectors
from rag.core.passages import Passage, ScoredPassage
from rag.core.retrieval import GraphPath, Hop
from rag.core.sentences import sentence_spans

Scores = NDArray[np.float64]
Split = Callable[[Passage], list[str]]
MAX_ROUNDS = 3
# A question this long has enough words.
_MAX_WORDS = 64


@dataclass(frozen=True)
class DepthSettings:
    """Weights, chosen on the even-numbered questions of two sets (docs/LOG.md).

    Attributes:
        num_candidates: passages that are ranked again.
        num_seeds: best passages that ask sub-questions.
        weight: of the best answer to a sub-question, a cosine, beside a passage's score divided by the best one.
        floor: cosine from which a sentence answers.
        temperature: the weight of a seed is ``exp((score - best score) / temperature)``.
        max_shared: a name that more candidates have links them only if it is the title of one.
    """

    num_candidates: int = 40
    num_seeds: int = 8
    weight: float = 2.0
    floor: float = 0.3
    temperature: float = 1.0
    max_shared: int = 12


@dataclass(frozen=True)
class Deepened:
    """A ranking after some rounds.

    Attributes:
        ranking: the candidates, best first.
        rounds: the ranking of every further round.
        paths: how sub-questions led to passages.
    """

    ranking: tuple[ScoredPassage, ...]
    rounds: tuple[tuple[ScoredPassage, ...], ...]
    paths: tuple[GraphPath, ...]


@dataclass(frozen=True)
class _Lead:
    """A sub-question that one candidate asks of another, by their rows."""

    seed: int
    target: int
    name: str
    text: str


def sentences(passage: Passage) -> list[str]:
    """The sentences of a passage under its title; the title alone where there are none."""
    parts = [passage.text[start:end] for start, end in sentence_spans(passage.text)] or [""]
    return [f"{passage.title}: {part}" if passage.title else part for part in parts]


def deepen(
    question: str,
    ranking: Sequence[ScoredPassage],
    encoder: Encoder,
    rounds: int,
    settings: DepthSettings = DepthSettings(),
    split: Split = sentences,
) -> Deepened:
    """Rank passages again, in ``rounds - 1`` further rounds; fewer if a round changes nothing.

    Args:
        question: what is asked.
        ranking: the passages of the first round; those behind ``num_candidates`` stay behind.
        encoder: the library's.
        rounds: 1 leaves the ranking as it is.
        settings: the weights.
        split: what of a passage may answer a sub-question; by default each sentence under the title.
    """
    candidates, rest = tuple(ranking[: settings.num_candidates]), tuple(ranking[settings.num_candidates :])
    if len(candidates) < 2 or rounds < 2:
        return Deepened(tuple(ranking), (), ())
    first = np.array([scored.score for scored in candidates])
    first = first / max(float(first.max()), 1e-12)
    reader = _Reader(question, [scored.passage for scored in candidates], encoder, settings, split)
    scores, order = first, list(range(len(candidates)))
    paths: tuple[GraphPath, ...] = ()
    done: list[tuple[ScoredPassage, ...]] = []
    for _ in range(min(rounds, MAX_ROUNDS) - 1):
        gains, paths = reader.answer(scores)
        scores = first + settings.weight * gains
        former, order = order, sorted(range(len(candidates)), key=lambda row: (-scores[row], row))
        done.append(tuple(replace(candidates[row], score=float(scores[row])) for row in order))
        if order == former:
            break
    return Deepened((*done[-1], *rest), tuple(done), paths)


class _Reader:
    """The candidates of one question: their names and the vectors of their pieces."""

    def __init__(
        self,
        question: str,
        passages: Sequence[Passage],
        encoder: Encoder,
        settings: DepthSettings,
        split: Split,
    ) -> None:
        self._words = question.rstrip(" ?").split()[:_MAX_WORDS]
        self._passages, self._encoder, self._settings = passages, encoder, settings
        mentions = [extraction.mentions for extraction in NameExtractor().extract(passages)]
        self._names = [{mention.entity for mention in row} for row in mentions]
        self._titles = [{mention.entity for mention in row if mention.is_title} for row in mentions]
        self._counts = Counter(name for row in self._names for name in row)
        pieces = [split(passage) for passage in passages]
        self._owners = np.repeat(np.arange(len(passages)), [len(row) for row in pieces])
        self._pieces = encoder.encode([text for row in pieces for text in row])
        self._asked: dict[str, Vectors] = {}

    def answer(self, scores: Scores) -> tuple[Scores, tuple[GraphPath, ...]]:
        """What each candidate gains from the sub-questions of the best ones, ``[P]``, and the paths of the gains."""
        settings = self._settings
        seeds = np.argsort(-scores, kind="stable")[: settings.num_seeds].tolist()
        leads = [lead for seed in seeds for lead in self._leads(seed)]
        self._encode(leads)
        gains, best = np.zeros(len(scores)), {}
        for lead in leads:
            prior = np.exp((scores[lead.seed] - scores[seeds[0]]) / settings.temperature)
            cosines = self._pieces[self._owners == lead.target] @ self._asked[lead.text]
            gain = float(prior) * max(float(cosines.max(initial=0.0)) - settings.floor, 0.0)
            if gain > gains[lead.target]:
                gains[lead.target], best[lead.target] = gain, lead
        return gains, tuple(self._path(lead, float(gains[target])) for target, lead in best.items())

    def _leads(self, seed: int) -> list[_Lead]:
        passage = self._passages[seed]
        covered = set(stems(f"{passage.title} {passage.text}"))
        open_words = " ".join(word for word in self._words if not stems(word) or not covered.issuperset(stems(word)))
        pairs = ((target, self._link(seed, target)) for target in range(len(self._passages)) if target != seed)
        return [_Lead(seed, target, name, f"{name} {open_words}") for target, name in pairs if name]

    def _link(self, seed: int, target: int) -> str:
        """The name that links two candidates: a title of the target before others, then the rarest; empty if none."""
        titles = self._titles[target]
        shared = [
            name
            for name in self._names[seed] & self._names[target]
            if name in titles or self._counts[name] <= self._settings.max_shared
        ]
        return min(shared, key=lambda name: (name not in titles, self._counts[name], -len(name), name), default="")

    def _encode(self, leads: Sequence[_Lead]) -> None:
        new = list(dict.fromkeys(lead.text for lead in leads if lead.text not in self._asked))
        if new:
            self._asked.update(zip(new, self._encoder.encode(new), strict=True))

    def _path(self, lead: _Lead, gain: float) -> GraphPath:
        seed, target = self._passages[lead.seed], self._passages[lead.target]
        hop = Hop(seed.title or seed.passage_id, lead.name, target.title or target.passage_id, seed.passage_id)
        return GraphPath(target.passage_id, "chain", (hop,), gain)
