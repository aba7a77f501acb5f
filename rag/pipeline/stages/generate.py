"""Generate: turn the requests of a batch into tokens, all streams in step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.core.answer import TokenEvent
from rag.generation.base import Chunk, Done, Generation, Generator, Request
from rag.pipeline.state import State


@dataclass(frozen=True)
class GenerateStage:
    """Sets ``generation`` and ``voices``. The one stage whose results come one by one."""

    generator: Callable[[], Generator]
    name: str = "generate"

    def stream(self, states: Sequence[State]) -> Iterator[tuple[int, TokenEvent | State]]:
        """Tokens as they come and each state when it is finished, with its index; states without a request first.

        A state is finished when its answer and all its voices are. Only the answer's tokens are events.
        """
        asked = [index for index, state in enumerate(states) if state.request is not None]
        for index, state in enumerate(states):
            if state.request is None:
                yield index, state
        # Each request with its state, and its place in the state: 0 is the answer, the voices follow.
        places = [(index, place) for index in asked for place in range(len(_requests(states[index])))]
        requests = [_requests(states[index])[place] for index, place in places]
        replies: dict[int, dict[int, Generation]] = {index: {} for index in asked}
        for event in self.generator().stream(requests) if requests else ():
            index, place = places[event.index]
            match event:
                case Chunk(text=text, step=step):
                    if place == 0:
                        yield index, TokenEvent(text, step)
                case Done(generation=generation):
                    replies[index][place] = generation
                    if len(replies[index]) == len(_requests(states[index])):
                        yield index, _with_replies(states[index], replies[index])


def _requests(state: State) -> tuple[Request, ...]:
    assert state.request is not None
    return (state.request, *state.voice_requests)


def _with_replies(state: State, replies: dict[int, Generation]) -> State:
    voices = tuple(replies[place] for place in range(1, len(replies)))
    return replace(state, generation=replies[0], voices=voices)
