"""The pipeline: what happens to a question, stage by stage.

    rewrite -> retrieve (or recall) -> filter -> fit into the window -> generate (both streams in step) -> report

A batch of questions goes through each stage as a batch. The parts are passed in, none is looked up. The first three
stages are :mod:`rag.pipeline.search`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from decoders.params import changed_settings
from decoders.streams import CONTEXT
from rag.conflicts.streams import report
from rag.core.answer import Answer, Citation, Conflict, PatchUse, TokenEvent, Tokens
from rag.core.errors import QuestionError, SettingError
from rag.core.passages import ScoredPassage
from rag.core.prompts import build_prompts
from rag.core.query import Query
from rag.generation.base import Chunk, Done, Event, Generation, Generator, Request
from rag.patches.base import Patcher, Patching
from rag.pipeline.search import Searched, Searcher

ABSTENTION = "I do not know: the documents do not say."


@dataclass(frozen=True)
class Fitted:
    """A query whose prompts fit the window, with the passages that are in and those that are out."""

    searched: Searched
    request: Request
    kept: tuple[ScoredPassage, ...]
    dropped: tuple[ScoredPassage, ...]
    patches: tuple[PatchUse, ...] = ()

    def with_patches(self, patching: Patching) -> Fitted:
        """The same with an adapter on the context stream; the other stream stays the base."""
        return replace(self, request=self.request.with_adapter(CONTEXT, patching.adapter), patches=patching.uses)


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
        searcher: finds the passages.
        generator: turns prompt pairs into tokens.
        conflict_threshold: score from which memory and documents count as disagreeing.
        patcher: chooses the patches of queries that ask for them.
    """

    def __init__(
        self,
        searcher: Searcher,
        generator: Generator,
        conflict_threshold: float,
        patcher: Patcher | None = None,
    ) -> None:
        self._searcher = searcher
        self._generator = generator
        self._threshold = conflict_threshold
        self._patcher = patcher

    def run(self, queries: Sequence[Query]) -> Iterator[tuple[int, TokenEvent | Answer]]:
        """Events of all queries by their index: tokens as they come, then each one's answer."""
        timings = Timings()
        with timings.stage("rewrite"):
            rewrites = self._searcher.rewrite(queries)
        with timings.stage("retrieve"):
            retrieved = self._searcher.retrieve(queries, rewrites)
        with timings.stage("filter"):
            searched = self._searcher.filter(retrieved)
        yield from self._answers(searched, timings)

    def run_with(
        self,
        queries: Sequence[Query],
        rankings: Sequence[Sequence[ScoredPassage]],
        timings: Timings | None = None,
        patchings: Sequence[Patching] | None = None,
    ) -> Iterator[tuple[int, TokenEvent | Answer]]:
        """:meth:`run` over passages that the caller chose: no stage before fitting.

        With ``patchings``, one per query, the patches are the caller's choice as well, whatever the queries' mode.
        """
        given = [
            Searched(query, query.question, tuple(ranking)) for query, ranking in zip(queries, rankings, strict=True)
        ]
        yield from self._answers(given, timings or Timings(), patchings)

    def _answers(
        self, searched: Sequence[Searched], timings: Timings, patchings: Sequence[Patching] | None = None
    ) -> Iterator[tuple[int, TokenEvent | Answer]]:
        with timings.stage("fit"):
            fitted = {index: self.fit(item) for index, item in enumerate(searched) if item.is_supported}
        if patchings is not None:
            fitted = {index: item.with_patches(patchings[index]) for index, item in fitted.items()}
        elif any(item.query.patches != "off" for item in searched):
            with timings.stage("patch"):
                fitted = {index: self.patched(item) for index, item in fitted.items()}
        for index, item in enumerate(searched):
            if not item.is_supported:
                yield index, abstention(item, timings)
        indices = list(fitted)
        for event in self._generate(list(fitted.values()), timings):
            index = indices[event.index]
            match event:
                case Chunk(text=text, step=step):
                    yield index, TokenEvent(text, step)
                case Done(generation=generation):
                    yield index, self.answer(fitted[index], generation, timings)

    def fit(self, searched: Searched) -> Fitted:
        """Drop the lowest-ranked passages until the prompt and the answer fit the window.

        Raises:
            QuestionError: the question does not fit, or not one passage fits beside it.
        """
        query, ranking = searched.query, searched.ranking
        stop = (*query.sampling.stop, *self._generator.default_stop)
        sampling = replace(query.sampling, stop=stop)
        room = self._generator.window - sampling.max_tokens
        # Patches alone: the documents stand in the adapter instead of the prompt.
        ranking = () if query.patches == "only" else ranking
        for num_kept in range(len(ranking), -1, -1):
            kept = ranking[:num_kept]
            prompts = build_prompts(query.question, [scored.passage for scored in kept], query.history)
            context_ids = self._generator.encode(prompts.context)
            if len(context_ids) > room:
                continue
            if ranking and not kept:
                break
            request = Request.pair(
                context_ids,
                self._generator.encode(prompts.parametric),
                query.decoder,
                sampling,
                cache_salt=query.cache_salt,
            )
            return Fitted(searched, request, kept, ranking[num_kept:])
        raise QuestionError(
            f"the question ({len(query.question)} characters) leaves no room for a passage and an answer of "
            f"{sampling.max_tokens} tokens in the window of {self._generator.window} tokens; shorten it, or lower "
            "max_tokens"
        )

    def patched(self, fitted: Fitted) -> Fitted:
        """The query with the patches of its documents, where it asks for them."""
        query = fitted.searched.query
        if query.patches == "off":
            return fitted
        if self._patcher is None:
            raise SettingError("patches were asked for, but this pipeline has none; use Engine, or pass a patcher")
        return fitted.with_patches(self._patcher.patch(query, fitted.searched.ranking))

    def answer(self, fitted: Fitted, generation: Generation, timings: Timings) -> Answer:
        """The reply to one query."""
        with timings.stage("report"):
            conflict = report(generation, self._threshold)
        request, searched = fitted.request, fitted.searched
        shown = {scored.passage.passage_id for scored in fitted.kept}
        return Answer(
            question=searched.query.question,
            text=generation.text,
            citations=tuple(map(_citation, fitted.kept)),
            decoder=request.decoder.name,
            conflict=conflict,
            timings_ms=timings.report(),
            tokens=Tokens(len(request.context_ids), len(request.parametric_ids), len(generation.steps)),
            finish_reason=generation.finish_reason,
            dropped=tuple(map(_citation, fitted.dropped)),
            settings=changed_settings(request.decoder),
            trace=searched.trace,
            paths=tuple(path for path in searched.paths if path.passage_id in shown),
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


def abstention(searched: Searched, timings: Timings) -> Answer:
    """The reply to a query whose passages support no answer: nothing is generated, so memory is not asked either."""
    decoder = searched.query.decoder
    return Answer(
        question=searched.query.question,
        text=ABSTENTION,
        citations=(),
        decoder=decoder.name,
        conflict=Conflict(0.0, is_conflict=False, context_answer="", memory_answer=""),
        timings_ms=timings.report(),
        tokens=Tokens(0, 0, 0),
        dropped=tuple(map(_citation, searched.ranking)),
        settings=changed_settings(decoder),
        is_abstained=True,
        trace=searched.trace,
    )


def _citation(scored: ScoredPassage) -> Citation:
    passage = scored.passage
    return Citation(passage.doc_id, passage.source, passage.text, scored.score, passage.title, passage.passage_id)


def collect(
    events: Iterator[tuple[int, TokenEvent | Answer]],
    num_queries: int,
    on_answer: Callable[[int, Answer], None] | None = None,
) -> list[Answer]:
    """Drain a pipeline's events into answers in the order of their queries, each told to ``on_answer`` as it comes."""
    answers: dict[int, Answer] = {}
    for index, event in events:
        if isinstance(event, Answer):
            answers[index] = event
            if on_answer is not None:
                on_answer(index, event)
    return [answers[index] for index in range(num_queries)]
