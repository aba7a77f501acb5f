"""Fit: build the prompts, with as many passages as the model's window has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.core.errors import QuestionError
from rag.core.prompts import build_prompts
from rag.generation.adapters.adapter import add_adapters
from rag.generation.base import Adapter, Generator, Request, check_can_constrain
from rag.pipeline.state import State, update


@dataclass(frozen=True)
class FitStage:
    """Sets ``request``, ``kept`` and ``dropped`` of every supported question."""

    generator: Callable[[], Generator]
    name: str = "fit"

    def run(self, states: Sequence[State]) -> list[State]:
        """Drop the lowest-ranked passages until prompt and answer fit the window.

        Raises:
            FormatError: the answer has a schema that the generator cannot follow.
            QuestionError: the question does not fit, or not one passage fits beside it.
        """
        return update(states, lambda state: state.is_supported, lambda group: map(self._fit, group))

    def _fit(self, state: State) -> State:
        generator, query = self.generator(), state.query
        if query.sampling.json_schema:
            check_can_constrain(generator)
        ranking = state.readable
        for num_kept in range(len(ranking), -1, -1):
            kept = ranking[:num_kept]
            if ranking and not kept:
                break
            instruction = state.skill.instruction if state.skill else ""
            prompts = build_prompts(query.question, state.shown[:num_kept], query.history, state.question, instruction)
            context_ids = generator.encode(prompts.context)
            if len(context_ids) + query.sampling.max_tokens <= generator.window:
                request = _build_request(state, generator, context_ids, generator.encode(prompts.parametric))
                return replace(state, request=request, kept=kept, dropped=ranking[num_kept:])
        raise QuestionError(
            f"the question ({len(query.question)} characters) leaves no room for a passage and an answer of "
            f"{query.sampling.max_tokens} tokens in the window of {generator.window} tokens; shorten it, or lower "
            "max_tokens"
        )


def _build_request(
    state: State, generator: Generator, context_ids: tuple[int, ...], parametric_ids: tuple[int, ...]
) -> Request:
    query = state.query
    sampling = replace(query.sampling, stop=(*query.sampling.stop, *generator.default_stop))
    return Request.pair(
        context_ids,
        parametric_ids,
        query.decoder,
        sampling,
        has_probes=query.conflict_report,
        cache_salt=query.cache_salt,
        # The parametric stream stays the base model: memory is the model's own.
        context_adapter=_adapter(state),
    )


def _adapter(state: State) -> Adapter | None:
    """The sum of the skill and the patches."""
    patches = state.patching.adapter if state.patching else None
    return add_adapters([state.skill.adapter if state.skill else None, patches])
