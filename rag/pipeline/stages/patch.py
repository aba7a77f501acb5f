"""Patch: choose the LoRA patches of a question, and let those recite that learnt to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rag.core.encoding import Encoder, Vectors, passage_text
from rag.core.passages import Passage, ScoredPassage
from rag.core.query import Sampling
from rag.generation.base import Generator, Request
from rag.patches.base import Patcher, Recital
from rag.patches.questions.recital import encode_address
from rag.pipeline.state import State, update

# A sentence; longer ones are cut.
_MAX_TOKENS = 128
# Sentences for one question, of all its patches: on development documents, nearly all answers are among three.
_MAX_SENTENCES = 3
# Of a question and a sentence. Chosen on development paragraphs: nearly all questions lie above with a sentence of
# their own paragraph, and nearly all unrelated ones below.
_LEAST_COSINE = 0.35
# Of what was recited and the sentence that was asked for: what is garbled is left out.
_LEAST_FAITH = 0.8


@dataclass(frozen=True)
class _Line:
    """A sentence that a patch is to say: its number, and the vector of what it is about."""

    recital: Recital
    number: int
    vector: Vectors


@dataclass(frozen=True)
class PatchStage:
    """Sets ``patching`` where nobody did, and ``recited``.

    A patch that recites holds sentences by number, and beside it lie their vectors. The encoder finds the sentences
    that are nearest to the question, and their patches say them. What they say is read like a passage, by the same
    reader and for the same verdict. Where no sentence is near enough, nothing is recited, and the answer is the one
    without patches.

    Source: recite, then answer, after Sun et al. 2023; ours, that a document's patch recites what the encoder chose.
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
        """All sentences of all questions in one batch."""
        asked = self.encoder.encode([state.question for state in states])
        chosen = [_nearest(_recitals(state), vector) for state, vector in zip(states, asked, strict=True)]
        lines = [line for row in chosen for line in row]
        requests = [self._request(state, line) for state, row in zip(states, chosen, strict=True) for line in row]
        said = [" ".join(generation.text.split()) for generation in self.generator().generate(requests)]
        faithful = iter(self._drop_garbled(lines, said))
        return [
            replace(state, recited=tuple(_as_passages(state, [(line, next(faithful)) for line in row])))
            for state, row in zip(states, chosen, strict=True)
        ]

    def _request(self, state: State, line: _Line) -> Request:
        generator = self.generator()
        sampling = Sampling(max_tokens=_MAX_TOKENS, stop=generator.default_stop)
        ids = encode_address(generator, line.number)
        return Request.single(ids, sampling, cache_salt=state.query.cache_salt, adapter=line.recital.adapter)

    def _drop_garbled(self, lines: Sequence[_Line], said: Sequence[str]) -> list[str]:
        """What was said, empty where it is not about what the sentence is about."""
        if not lines:
            return []
        texts = [passage_text(line.recital.title, text) for line, text in zip(lines, said, strict=True)]
        vectors = self.encoder.encode(texts)
        return [
            text if float(vector @ line.vector) >= _LEAST_FAITH else ""
            for text, vector, line in zip(said, vectors, lines, strict=True)
        ]


def _nearest(recitals: Sequence[Recital], asked: Vectors) -> list[_Line]:
    """The sentences of all patches that are nearest to a question ``[D]``; none that is too far."""
    lines = [
        _Line(recital, number, vector)
        for recital in recitals
        for number, vector in enumerate(recital.index.vectors, start=1)
    ]
    cosines = np.array([float(line.vector @ asked) for line in lines])
    best = np.argsort(-cosines, kind="stable")[:_MAX_SENTENCES]
    return [lines[place] for place in best if cosines[place] >= _LEAST_COSINE]


def _is_patched(state: State) -> bool:
    return state.is_supported and (state.patching is not None or state.query.patches != "off")


def _is_reciting(state: State) -> bool:
    return bool(_recitals(state))


def _recitals(state: State) -> tuple[Recital, ...]:
    return state.patching.recitals if state.patching else ()


def _as_passages(state: State, said: Sequence[tuple[_Line, str]]) -> Iterator[ScoredPassage]:
    """What each patch recited as one passage of its document, in the document's order.

    Nothing that a passage in the prompt says already.
    """
    by_document = {scored.passage.doc_id: scored.passage for scored in reversed(state.ranking)}
    in_prompt = () if state.query.patches == "only" else state.passages
    for recital in _recitals(state):
        sentences = sorted((line.number, text) for line, text in said if line.recital.use == recital.use)
        text = " ".join(text for _, text in sentences if text and not any(text in p.text for p in in_prompt))
        if text:
            doc_id, passage = recital.use.doc_id, by_document.get(recital.use.doc_id)
            source, date = (passage.source, passage.date) if passage else (doc_id, "")
            name = f"{doc_id}:recited"
            recited = Passage(name, doc_id, source, recital.title, text, location="recited by its patch", date=date)
            yield ScoredPassage(recited, recital.use.weight)
