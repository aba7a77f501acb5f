"""Generate: turn the requests of a batch into tokens, all streams in step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.core.answer import TokenEvent
from rag.generation.base import Chunk, Done, Generator
from rag.pipeline.state import State


@dataclass(frozen=True)
class GenerateStage:
    """Sets ``generation``. The one stage whose results come one by one."""

    generator: Callable[[], Generator]
    name: str = "generate"

    def stream(self, states: Sequence[State]) -> Iterator[tuple[int, TokenEvent | State]]:
        """Tokens as they come and each state when it is finished, with its index; states without a request first."""
        requests = {index: state.request for index, state in enumerate(states) if state.request is not None}
        for index, state in enumerate(states):
            if state.request is None:
                yield index, state
        if not requests:
            return
        indices = list(requests)
        for event in self.generator().stream(list(requests.values())):
            index = indices[event.index]
            match event:
                case Chunk(text=text, step=step):
                    yield index, TokenEvent(text, step)
                case Done(generation=generation):
                    yield index, replace(states[index], generation=generation)
