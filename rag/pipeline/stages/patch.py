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
        requests = [self._request(state, recital) for state in states for recital in _recitals(state)]
        said = iter(self.generator().generate(requests))
        heard = [list(_as_passages(state, said)) for state in states]
        pairs = [(state.question, one.passage) for state, row in zip(states, heard, strict=True) for one in row]
        is_related = iter(self._compare(pairs))
        return [
            replace(state, recited=tuple(one for one in row if next(is_related)))
            for state, row in zip(states, heard, strict=True)
        ]

    def _compare(self, pairs: Sequence[tuple[str, Passage]]) -> list[bool]:
        """Whether each passage has to do with its question."""
        if not pairs:
            return []
        asked = self.encoder.encode([question for question, _ in pairs])
        said = self.encoder.encode([passage_text(passage.title, passage.text) for _, passage in pairs])
        return [bool(cosine >= _LEAST_COSINE) for cosine in (asked * said).sum(axis=1)]

    def _request(self, state: State, recital: Recital) -> Request:
        generator = self.generator()
        ids = generator.encode(build_prompts(state.question, (), instruction=RECITAL).context)
        sampling = Sampling(max_tokens=_MAX_TOKENS, stop=generator.default_stop)
        return Request.single(ids, sampling, cache_salt=state.query.cache_salt, adapter=recital.adapter)


def _is_patched(state: State) -> bool:
    return state.is_supported and (state.patching is not None or state.query.patches != "off")


def _is_reciting(state: State) -> bool:
    return bool(_recitals(state))


def _recitals(state: State) -> tuple[Recital, ...]:
    return state.patching.recitals if state.patching else ()


def _as_passages(state: State, said: Iterator[Generation]) -> Iterator[ScoredPassage]:
    """What was recited, as passages of their documents; nothing that a passage in the prompt says already."""
    by_document = {scored.passage.doc_id: scored.passage for scored in reversed(state.ranking)}
    in_prompt = () if state.query.patches == "only" else state.passages
    for recital in _recitals(state):
        text = " ".join(next(said).text.split())
        if text and not any(text in passage.text for passage in in_prompt):
            doc_id, passage = recital.use.doc_id, by_document.get(recital.use.doc_id)
            source, date = (passage.source, passage.date) if passage else (doc_id, "")
            name = f"{doc_id}:recited"
            recited = Passage(name, doc_id, source, recital.title, text, location="recited by its patch", date=date)
            yield ScoredPassage(recited, recital.use.weight)
