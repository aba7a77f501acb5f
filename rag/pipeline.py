"""The pipeline: what happens to a question, stage by stage.

    retrieve -> fit into the window -> generate (both streams in step) -> report the conflict

A batch of questions goes through each stage as a batch. The parts are passed in, none is looked up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from langchain_core.retrievers import BaseRetriever

from decoders.params import settings_of
from rag.conflict import report
from rag.errors import QuestionError, SettingError
from rag.generation.base import Adapter, Chunk, Done, Event, Generation, Generator, Request
from rag.prompts import build_prompts
from rag.types import Answer, Citation, PatchUse, Query, ScoredPassage, TokenEvent, Tokens
from retrievers.base import search


@dataclass(frozen=True)
class Patching:
    """The patches of one query, and the adapter that they make together."""

    adapter: Adapter | None = None
    uses: tuple[PatchUse, ...] = ()


class Patcher(Protocol):
    """Chooses and composes the patches of a query from its ranking (:class:`rag.patches.patchset.PatchSet`)."""

    def patch(self, query: Query, ranking: Sequence[ScoredPassage]) -> Patching:
        """The patching of one query whose mode is not ``off``."""
        ...


@dataclass(frozen=True)
class Fitted:
    """A query whose prompts fit the window, with the passages that are in and those that are out."""

    query: Query
    request: Request
    kept: tuple[ScoredPassage, ...]
    dropped: tuple[ScoredPassage, ...]
    patches: tuple[PatchUse, ...] = ()


@dataclass
class Timings:
    """Wall time by stage, milliseconds."""

    by_stage: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed_ms = (time.perf_counter() - started) * 1e3
            self.by_stage[name] = self.by_stage.get(name, 0.0) + elapsed_ms

    def report(self) -> dict[str, float]:
        """All stages and their sum, ``total``."""
        return {**self.by_stage, "total": sum(self.by_stage.values())}


class Pipeline:
    """Answers batches of queries.

    Args:
        retriever: any LangChain retriever.
        generator: turns prompt pairs into tokens.
        conflict_threshold: score from which memory and documents count as disagreeing.
        patcher: chooses the patches of queries that ask for them.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        generator: Generator,
        conflict_threshold: float,
        patcher: Patcher | None = None,
    ) -> None:
        self._retriever = retriever
        self._generator = generator
        self._threshold = conflict_threshold
        self._patcher = patcher

    def run(self, queries: Sequence[Query]) -> Iterator[tuple[int, TokenEvent | Answer]]:
        """Events of all queries by their index: tokens as they come, then each one's answer."""
        timings = Timings()
        with timings.stage("retrieve"):
            rankings = retrieve(self._retriever, queries)
        yield from self.run_with(queries, rankings, timings)

    def run_with(
        self, queries: Sequence[Query], rankings: Sequence[Sequence[ScoredPassage]], timings: Timings | None = None
    ) -> Iterator[tuple[int, TokenEvent | Answer]]:
        """:meth:`run` over passages that the caller chose."""
        timings = timings or Timings()
        with timings.stage("prompt"):
            fitted = [self.fit(query, ranking) for query, ranking in zip(queries, rankings, strict=True)]
        if any(query.patches != "off" for query in queries):
            with timings.stage("patch"):
                fitted = [self.patched(item, ranking) for item, ranking in zip(fitted, rankings, strict=True)]
        for event in self._generate(fitted, timings):
            match event:
                case Chunk(index=index, text=text, step=step):
                    yield index, TokenEvent(text, step)
                case Done(index=index, generation=generation):
                    yield index, self.answer(fitted[index], generation, timings)

    def fit(self, query: Query, ranking: Sequence[ScoredPassage]) -> Fitted:
        """Drop the lowest-ranked passages until the prompt and the answer fit the window.

        Raises:
            QuestionError: the question does not fit, or not one passage fits beside it.
        """
        stop = (*query.sampling.stop, *self._generator.default_stop)
        sampling = replace(query.sampling, stop=stop)
        room = self._generator.window - sampling.max_tokens
        # Patches alone: the documents stand in the adapter instead of the prompt.
        ranking = () if query.patches == "only" else ranking
        for num_kept in range(len(ranking), -1, -1):
            kept = tuple(ranking[:num_kept])
            prompts = build_prompts(query.question, [scored.passage for scored in kept], query.history)
            context_ids = self._generator.encode(prompts.context)
            if len(context_ids) > room:
                continue
            if ranking and not kept:
                break
            request = Request(context_ids, self._generator.encode(prompts.parametric), query.decoder, sampling)
            return Fitted(query, request, kept, tuple(ranking[num_kept:]))
        raise QuestionError(
            f"the question ({len(query.question)} characters) leaves no room for a passage and an answer of "
            f"{sampling.max_tokens} tokens in the window of {self._generator.window} tokens; shorten it, or lower "
            "max_tokens"
        )

    def patched(self, fitted: Fitted, ranking: Sequence[ScoredPassage]) -> Fitted:
        """The query with the adapter of its patches on the context stream; the other stream stays the base."""
        if fitted.query.patches == "off":
            return fitted
        if self._patcher is None:
            raise SettingError("patches were asked for, but this pipeline has none; use Engine, or pass a patcher")
        patching = self._patcher.patch(fitted.query, ranking)
        request = replace(fitted.request, context_adapter=patching.adapter)
        return replace(fitted, request=request, patches=patching.uses)

    def answer(self, fitted: Fitted, generation: Generation, timings: Timings) -> Answer:
        """The reply to one query."""
        with timings.stage("report"):
            conflict = report(generation, self._threshold)
        request = fitted.request
        return Answer(
            question=fitted.query.question,
            text=generation.text,
            citations=tuple(map(_citation, fitted.kept)),
            decoder=request.decoder.name,
            conflict=conflict,
            timings_ms=timings.report(),
            tokens=Tokens(len(request.context_ids), len(request.parametric_ids), len(generation.steps)),
            finish_reason=generation.finish_reason,
            dropped=tuple(map(_citation, fitted.dropped)),
            settings=settings_of(request.decoder),
            patches=fitted.patches,
        )

    def _generate(self, fitted: Sequence[Fitted], timings: Timings) -> Iterator[Event]:
        events = self._generator.stream([item.request for item in fitted])
        while True:
            with timings.stage("generate"):
                event = next(events, None)
            if event is None:
                return
            yield event


def retrieve(retriever: BaseRetriever, queries: Sequence[Query]) -> list[list[ScoredPassage]]:
    """Each query's passages, best first."""
    depth = max((query.top_k for query in queries), default=0)
    rankings = search(retriever, [query.question for query in queries], depth)
    return [ranking[: query.top_k] for query, ranking in zip(queries, rankings, strict=True)]


def _citation(scored: ScoredPassage) -> Citation:
    passage = scored.passage
    return Citation(passage.doc_id, passage.source, passage.text, scored.score, passage.title, passage.passage_id)
