"""Run a batch of questions through the stages.

Every stage takes the whole batch. The generate stage streams; what comes after it runs for each answer as it is
finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.core.answer import Answer, TokenEvent
from rag.pipeline.stages.generate import GenerateStage
from rag.pipeline.state import Stage, State
from rag.pipeline.timings import Timings


@dataclass(frozen=True)
class Pipeline:
    """All stages of an answer.

    Attributes:
        search: from the question to its passages.
        prepare: from the passages to the generator's request.
        generate: makes the tokens.
        after: from the tokens to the answer.
    """

    search: tuple[Stage, ...]
    prepare: tuple[Stage, ...]
    generate: GenerateStage
    after: tuple[Stage, ...]

    def run(self, states: Sequence[State], timings: Timings | None = None) -> Iterator[tuple[int, TokenEvent | Answer]]:
        """Events of all states by their index: tokens as they come, then each one's answer."""
        timings = timings or Timings()
        yield from self.answer(run_stages(self.search, states, timings), timings)

    def answer(self, states: Sequence[State], timings: Timings) -> Iterator[tuple[int, TokenEvent | Answer]]:
        """:meth:`run` from the passages on, for states that have been through ``search``."""
        states = run_stages(self.prepare, states, timings)
        for index, event in _timed(self.generate.stream(states), timings, self.generate.name):
            if isinstance(event, TokenEvent):
                yield index, event
                continue
            (state,) = run_stages(self.after, [event], timings)
            assert state.answer is not None  # the report stage is the last one
            yield index, replace(state.answer, timings_ms=timings.report())


def run_stages(stages: Iterable[Stage], states: Sequence[State], timings: Timings) -> list[State]:
    """The states after these stages."""
    for stage in stages:
        with timings.stage(stage.name):
            states = stage.run(states)
    return list(states)


def collect(
    events: Iterable[tuple[int, TokenEvent | Answer]],
    num_states: int,
    on_answer: Callable[[int, Answer], None] | None = None,
) -> list[Answer]:
    """Drain events into answers in the order of their states; ``on_answer`` hears of each as it comes."""
    answers: dict[int, Answer] = {}
    for index, event in events:
        if isinstance(event, Answer):
            answers[index] = event
            if on_answer is not None:
                on_answer(index, event)
    return [answers[index] for index in range(num_states)]


def _timed(
    events: Iterator[tuple[int, TokenEvent | State]], timings: Timings, name: str
) -> Iterator[tuple[int, TokenEvent | State]]:
    while True:
        with timings.stage(name):
            event = next(events, None)
        if event is None:
            return
        yield event
