"""Report: the answer to the caller, with its conflict report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from decoders.params import changed_settings
from decoders.streams import CONTEXT, PARAMETRIC
from rag.conflicts.streams import report
from rag.core.answer import Answer, Citation, Conflict, Tokens
from rag.core.passages import ScoredPassage
from rag.core.verdict import Verdict
from rag.generation.base import Generation, Request
from rag.pipeline.state import State

MODEL_ALONE = "No document was read: this is the model's own answer."
NOTHING_RECITED = "The patches say nothing about this: it is the model's own answer."
ABSTENTION = "I do not know: the documents do not say."


@dataclass(frozen=True)
class ReportStage:
    """Sets ``answer``; a conflict is a score of at least ``threshold``."""

    threshold: float
    name: str = "report"

    def run(self, states: Sequence[State]) -> list[State]:
        """Every state: an answer where something was generated, else the sentence that the documents do not say."""
        return [replace(state, answer=self._answer(state)) for state in states]

    def _answer(self, state: State) -> Answer:
        if state.request is None or state.generation is None:
            return _abstention(state)
        return self._reply(state, state.request, state.generation)

    def _reply(self, state: State, request: Request, generation: Generation) -> Answer:
        shown = {scored.passage.passage_id for scored in state.kept}
        return Answer(
            question=state.query.question,
            text=state.text or generation.text,
            citations=_citations(state.kept),
            decoder=request.decoder.name,
            conflict=_conflict(report(generation, self.threshold), state.verdict),
            timings_ms={},
            tokens=Tokens(
                request.num_read(CONTEXT),
                request.num_read(PARAMETRIC),
                len(generation.steps),
                _count_voices(state),
            ),
            finish_reason=generation.finish_reason,
            dropped=_citations(state.dropped),
            settings=changed_settings(request.decoder),
            trace=state.trace,
            paths=tuple(path for path in state.paths if path.passage_id in shown),
            patches=state.patching.uses if state.patching else (),
            notice=_notice(state),
            draft=generation.text if state.text else "",
            skill=state.skill.name if state.skill else "",
            verdict=state.verdict,
        )


def _count_voices(state: State) -> int:
    """Tokens read and generated beside the answer; a prompt that several requests share is read once."""
    answer = set(state.request.used.values()) if state.request else set()
    prompts = {prompt for request in state.voice_requests for prompt in request.used.values()}
    return sum(len(prompt.ids) for prompt in prompts - answer) + sum(len(voice.steps) for voice in state.voices)


def _conflict(conflict: Conflict, verdict: Verdict | None) -> Conflict:
    """The old report, with what the verdict knows better."""
    if verdict is None:
        return conflict
    memory = verdict.memory
    return replace(
        conflict,
        is_conflict=memory is not None and memory.relation == "contradicts",
        context_answer=verdict.positions[0].answer if verdict.positions else "",
        memory_answer=memory.answer if memory else "",
    )


def _notice(state: State) -> str:
    is_patched = state.patching is not None and state.patching.uses
    alone = "" if state.kept or is_patched or state.query.patches == "only" else MODEL_ALONE
    if state.patching is not None and state.patching.recitals and not state.kept:
        alone = NOTHING_RECITED
    return " ".join(filter(None, (alone, state.patching.notice if state.patching else "")))


def _abstention(state: State) -> Answer:
    """Nothing was generated, so memory was not asked either."""
    decoder = state.query.decoder
    return Answer(
        question=state.query.question,
        text=ABSTENTION,
        citations=(),
        decoder=decoder.name,
        conflict=Conflict(0.0, is_conflict=False, context_answer="", memory_answer=""),
        timings_ms={},
        tokens=Tokens(0, 0, 0),
        dropped=_citations(state.ranking),
        settings=changed_settings(decoder),
        is_abstained=True,
        trace=state.trace,
    )


def _citations(ranking: Sequence[ScoredPassage]) -> tuple[Citation, ...]:
    return tuple(
        Citation(p.doc_id, p.source, p.text, scored.score, p.title, p.passage_id, p.location, p.heading, p.date)
        for scored in ranking
        for p in [scored.passage]
    )
