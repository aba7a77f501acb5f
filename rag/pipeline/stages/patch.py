"""Patch: choose the LoRA patches of a question, and let those recite that learnt to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.core.encoding import Encoder, passage_text
from rag.core.passages import Passage, ScoredPassage
from rag.core.prompts import RECITAL, build_prompts
from rag.core.query import Sampling
from rag.generation.base import Generation, Generator, Request
from rag.patches.base import Patcher, Recital
from rag.pipeline.state import State, update

# A sentence; longer ones are cut.
_MAX_TOKENS = 128
# Besides the likeliest sentence, others are drawn; the nearest to the question is taken. On development paragraphs it
# held the answer more often. A higher temperature draws sentences that no document has.
_NUM_DRAWS, _TEMPERATURE = 4, 0.7
# Of a question and what was recited for it. On development paragraphs nearly all right recitals lie above, and most of
# those that patches said to unrelated questions below.
_LEAST_COSINE = 0.25


@dataclass(frozen=True)
class PatchStage:
    """Sets ``patching`` where nobody did, and ``recited``.

    A patch that recites is asked for the sentence of its document that answers. What it says is read like a passage,
    by the same reader and for the same verdict. A sentence that has nothing to do with the question is left out, and
    one that does not answer is refused, so a patch that does not belong to the question changes little.

    Source: recite, then answer, after Sun et al. 2023; ours, that a document's patch recites.
    """

    patcher: Callable[[], Patcher]
    generator: Callable[[], Generator]
    encoder: Encoder
    name: str = "patch"

    def run(self, states: Sequence[State]) -> list[State]:
        """Queries that ask for patches, and states that came with them."""
        chosen = update(states, _is_patched, lambda group: map(self._choose, group))
        return update(chosen, _is_reciting, self._recite)

    def _choose(self, state: State) -> State:
        return replace(state, patching=state.patching or self.patcher().patch(state.query, state.ranking))

    def _recite(self, states: list[State]) -> list[State]:
        """All recitals of all questions in one batch."""
        requests = [
            self._request(state, recital, draw)
            for state in states
            for recital in _recitals(state)
            for draw in range(1 + _NUM_DRAWS)
        ]
        texts = iter(self.generator().generate(requests))
        heard = [(state, _as_passages(state, recital, texts)) for state in states for recital in _recitals(state)]
        cosines = iter(self._compare([(state.question, one) for state, drawn in heard for one in drawn]))
        nearest = iter([_choose_nearest(state, drawn, cosines) for state, drawn in heard])
        return [
            replace(state, recited=tuple(filter(None, [next(nearest) for _ in _recitals(state)]))) for state in states
        ]

    def _compare(self, pairs: Sequence[tuple[str, ScoredPassage]]) -> list[float]:
        """How near each passage is to its question."""
        if not pairs:
            return []
        asked = self.encoder.encode([question for question, _ in pairs])
        said = self.encoder.encode([passage_text(one.passage.title, one.passage.text) for _, one in pairs])
        return [float(cosine) for cosine in (asked * said).sum(axis=1)]

    def _request(self, state: State, recital: Recital, draw: int) -> Request:
        """The likeliest sentence for draw 0, another one for the others."""
        generator = self.generator()
        ids = generator.encode(build_prompts(state.question, (), instruction=RECITAL).context)
        temperature = _TEMPERATURE if draw else 0.0
        sampling = Sampling(max_tokens=_MAX_TOKENS, temperature=temperature, seed=draw, stop=generator.default_stop)
        return Request.single(ids, sampling, cache_salt=state.query.cache_salt, adapter=recital.adapter)


def _is_patched(state: State) -> bool:
    return state.is_supported and (state.patching is not None or state.query.patches != "off")


def _is_reciting(state: State) -> bool:
    return bool(_recitals(state))


def _recitals(state: State) -> tuple[Recital, ...]:
    return state.patching.recitals if state.patching else ()


def _as_passages(state: State, recital: Recital, texts: Iterator[Generation]) -> list[ScoredPassage]:
    """What one patch recited, the likeliest sentence first, as passages of its document."""
    doc_id = recital.use.doc_id
    ranked = next((scored.passage for scored in state.ranking if scored.passage.doc_id == doc_id), None)
    source, date = (ranked.source, ranked.date) if ranked else (doc_id, "")
    said = dict.fromkeys(" ".join(next(texts).text.split()) for _ in range(1 + _NUM_DRAWS))
    place = "recited by its patch"
    passages = (
        Passage(f"{doc_id}:recited", doc_id, source, recital.title, text, location=place, date=date)
        for text in filter(None, said)
    )
    return [ScoredPassage(passage, recital.use.weight) for passage in passages]


def _choose_nearest(state: State, drawn: Sequence[ScoredPassage], cosines: Iterator[float]) -> ScoredPassage | None:
    """The one nearest to the question; ``None`` if it has nothing to do with it, or if the prompt says it already."""
    pairs = [(next(cosines), one) for one in drawn]
    cosine, nearest = max(pairs, key=lambda pair: pair[0], default=(0.0, None))
    in_prompt = () if state.query.patches == "only" else state.passages
    if nearest is None or cosine < _LEAST_COSINE or any(nearest.passage.text in other.text for other in in_prompt):
        return None
    return nearest
