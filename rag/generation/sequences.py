"""The token sequences of running answers, and what is done with each token.

An answer is one sequence, which mixes its streams. With probes there is one more sequence for each stream alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from decoders.sampling import Draw
from rag.core.answer import Step
from rag.generation.base import Chunk, Done, Event, Generation
from rag.generation.codec import build_draw
from rag.generation.detokenize import TextBuilder
from rag.generation.request import Request

# The name of the sequence that mixes the streams; a probe has the name of its stream.
ANSWER = "answer"


@dataclass(eq=False)
class ActiveSequence:
    """One sequence under way.

    Attributes:
        index: of its request.
        name: :data:`ANSWER`, or the stream of a probe.
        streams: the streams that it reads.
        draw: how its tokens are chosen; probes are greedy.
        token_ids: the tokens so far, without end-of-text.
    """

    index: int
    request: Request
    name: str
    streams: tuple[str, ...]
    draw: Draw
    text: TextBuilder
    token_ids: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    finish_reason: Literal["stop", "length"] | None = None

    @classmethod
    def start(cls, index: int, request: Request, tokenizer: Any) -> list[Self]:
        """The sequences of a request before their first token: the answer, then the probes."""
        streams = {ANSWER: request.mixed} | {name: (name,) for name in request.probes}
        draws = {ANSWER: build_draw(request)}
        return [
            cls(index, request, name, reads, draws.get(name, Draw()), TextBuilder(tokenizer, request.sampling.stop))
            for name, reads in streams.items()
        ]

    @property
    def is_answer(self) -> bool:
        """Whether it mixes the streams."""
        return self.name == ANSWER


@dataclass(frozen=True)
class Choice:
    """The token that a sequence chose, with the step of the conflict report (answers only)."""

    token_id: int
    step: Step | None = None


class Collector:
    """Turns chosen tokens into events, and holds finished sequences until all of their request are finished."""

    def __init__(self) -> None:
        self._finished: dict[int, dict[str, ActiveSequence]] = {}

    def take(self, sequence: ActiveSequence, choice: Choice, eos: frozenset[int]) -> list[Event]:
        """Append the token; finish the sequence at end-of-text, at a stop string, or at its full length."""
        if choice.step is not None:
            sequence.steps.append(choice.step)
        is_end = choice.token_id in eos
        piece = ""
        if not is_end:
            sequence.token_ids.append(choice.token_id)
            piece = sequence.text.add(choice.token_id)
        is_full = len(sequence.token_ids) >= sequence.request.sampling.max_tokens
        if is_end or is_full:
            piece += sequence.text.finish()
        if is_end or sequence.text.is_stopped:
            sequence.finish_reason = "stop"
        elif is_full:
            sequence.finish_reason = "length"
        events: list[Event] = []
        if choice.step is not None and piece:
            events.append(Chunk(sequence.index, piece, choice.step))
        return events + self._finish(sequence)

    def drop(self, indices: Collection[int]) -> None:
        """Forget the finished sequences of these requests."""
        for index in indices:
            self._finished.pop(index, None)

    def _finish(self, sequence: ActiveSequence) -> list[Event]:
        """The end of a request, if this was its last sequence."""
        if sequence.finish_reason is None:
            return []
        request = sequence.request
        finished = self._finished.setdefault(sequence.index, {})
        finished[sequence.name] = sequence
        if len(finished) <= len(request.probes):
            return []
        del self._finished[sequence.index]
        answer = finished[ANSWER]
        assert answer.finish_reason is not None
        answers = {name: finished[name].text.text.strip() for name in request.probes}
        generation = Generation(
            answer.text.text.strip(), tuple(answer.token_ids), tuple(answer.steps), answer.finish_reason, answers
        )
        return [Done(sequence.index, generation)]
