"""What travels through the pipeline: one question, and everything that the stages learnt about it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from rag.conflicts.inquiry import Inquiry
from rag.core.answer import Answer
from rag.core.passages import Passage, ScoredPassage
from rag.core.query import Query
from rag.core.retrieval import GraphPath, Rewrite, StageRanking, Trace
from rag.core.verdict import Verdict
from rag.generation.base import Generation, Request
from rag.generation.request import ActiveSkill
from rag.patches.base import Patching

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class State:
    """One question on its way. Each stage takes states and gives states back, in the same order.

    Attributes:
        query: the question and its options.
        rewrite: what is searched for; until the rewrite stage, the question as it was asked.
        ranking: passages, best first.
        has_ranking: somebody made ``ranking`` already (the caller, or the question cache): nothing is retrieved.
        is_given: the caller chose ``ranking``.
        trace: how the passages were found.
        paths: how the knowledge graph leads to them.
        is_supported: whether the passages support an answer; ``True`` unless the query may be abstained from.
        kept, dropped: passages of ``ranking`` that are in the prompt, and those that are not.
        skill: what the passages are read with; ``None`` for the model as it is.
        patching: the patches to answer with; ``None`` until somebody chose them.
        recited: sentences that patches said, as passages of their documents.
        excerpts: what a model reads of ``readable``, aligned; empty where it reads all of it.
        request: what the generator is asked; ``None`` if nothing is generated.
        generation: what it replied.
        voice_requests: short questions that go with ``request``, such as one for each passage alone; answered in the
            same batch.
        voices: what the generator replied to them, aligned.
        inquiry: what is asked beside the answer, where a verdict is wanted; ``voices`` are its replies.
        verdict: what the sources say, and what the model knows.
        text: the final text, where the verdict changed the generated one; else empty.
        answer: the reply to the caller, set by the last stage.
    """

    query: Query
    rewrite: Rewrite
    ranking: tuple[ScoredPassage, ...] = ()
    has_ranking: bool = False
    is_given: bool = False
    trace: Trace = field(default_factory=Trace)
    paths: tuple[GraphPath, ...] = ()
    is_supported: bool = True
    kept: tuple[ScoredPassage, ...] = ()
    dropped: tuple[ScoredPassage, ...] = ()
    skill: ActiveSkill | None = None
    patching: Patching | None = None
    recited: tuple[ScoredPassage, ...] = ()
    excerpts: tuple[Passage, ...] = ()
    request: Request | None = None
    generation: Generation | None = None
    voice_requests: tuple[Request, ...] = ()
    voices: tuple[Generation, ...] = ()
    inquiry: Inquiry | None = None
    verdict: Verdict | None = None
    text: str = ""
    answer: Answer | None = None

    @property
    def question(self) -> str:
        """The question as it stands without the conversation."""
        return self.rewrite.question

    @property
    def passages(self) -> list[Passage]:
        """The ranking without its scores."""
        return [scored.passage for scored in self.ranking]

    @property
    def readable(self) -> tuple[ScoredPassage, ...]:
        """What may stand in the prompt, best first: passages, then what was recited; with patches alone the latter."""
        return self.recited if self.query.patches == "only" else (*self.ranking, *self.recited)

    @property
    def shown(self) -> tuple[Passage, ...]:
        """What a model reads of :attr:`readable`, aligned."""
        return self.excerpts or tuple(scored.passage for scored in self.readable)

    @property
    def is_from_cache(self) -> bool:
        """Whether the question cache gave the ranking; it holds filtered passages only."""
        return self.trace.is_from_cache

    def with_stage(self, stage: StageRanking) -> State:
        """The same, with one more ranking in the trace."""
        return replace(self, trace=replace(self.trace, stages=(*self.trace.stages, stage)))


class Stage(Protocol):
    """One step of the pipeline, over a whole batch. It may ask the generator, and it may loop."""

    @property
    def name(self) -> str:
        """The key of its wall time in ``answer.timings_ms``."""
        ...

    def run(self, states: Sequence[State]) -> list[State]:
        """The states after this stage, in the same order."""
        ...


def new_state(query: Query) -> State:
    """A question that passages must be found for."""
    return State(query, Rewrite(query.question, (query.question,)))


def given_state(query: Query, ranking: Iterable[ScoredPassage], patching: Patching | None = None) -> State:
    """A question whose passages, and perhaps patches, the caller chose."""
    return replace(new_state(query), ranking=tuple(ranking), has_ranking=True, is_given=True, patching=patching)


def update(
    states: Sequence[State], is_wanted: Callable[[State], bool], change: Callable[[list[State]], Iterable[State]]
) -> list[State]:
    """Change the wanted states, as one batch; the others stay as they are."""
    return update_by(states, lambda state: True if is_wanted(state) else None, lambda _, group: change(group))


def update_by(
    states: Sequence[State],
    key: Callable[[State], Key | None],
    change: Callable[[Key, list[State]], Iterable[State]],
) -> list[State]:
    """Change states in groups of one key; states whose key is ``None`` stay as they are."""
    result = list(states)
    groups: dict[Key, list[int]] = {}
    for row, state in enumerate(states):
        if (group := key(state)) is not None:
            groups.setdefault(group, []).append(row)
    for group, rows in groups.items():
        for row, state in zip(rows, change(group, [states[row] for row in rows]), strict=True):
            result[row] = state
    return result
