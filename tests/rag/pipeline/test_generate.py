"""The generate stage: an answer and its voices are one batch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from decoders.params import AdaCad
from rag.core.answer import TokenEvent
from rag.core.query import Message, Query, Sampling
from rag.generation.base import Request
from rag.generation.transformers.generator import TransformersGenerator
from rag.pipeline.stages.generate import GenerateStage
from rag.pipeline.state import State, new_state
from tests.generation.conftest import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=256)


def asked(tiny: TransformersGenerator, question: str, voices: tuple[str, ...] = ()) -> State:
    def ids(text: str) -> tuple[int, ...]:
        return tiny.encode([Message("user", text)])

    sampling = Sampling(max_tokens=5)
    request = Request.pair(ids(f"It is so. {question}"), ids(question), AdaCad(), sampling)
    singles = tuple(Request.single(ids(text), sampling) for text in voices)
    return replace(new_state(Query(question)), request=request, voice_requests=singles)


def test_voices_are_what_the_generator_says_to_each_alone(tiny: TransformersGenerator) -> None:
    states = [asked(tiny, "one?", ("first", "second")), asked(tiny, "two?"), asked(tiny, "three?", ("third",))]
    events = list(GenerateStage(lambda: tiny).stream([*states, new_state(Query("nothing to generate"))]))
    done = {index: event for index, event in events if isinstance(event, State)}
    assert done[3].generation is None
    for index, state in enumerate(states):
        assert state.request is not None
        assert done[index].generation == tiny.generate([state.request])[0]
        expected = tiny.generate(state.voice_requests) if state.voice_requests else []
        assert [voice.token_ids for voice in done[index].voices] == [voice.token_ids for voice in expected]


def test_only_tokens_of_the_answer_are_events(tiny: TransformersGenerator) -> None:
    state = asked(tiny, "one?", ("first", "second"))
    tokens = [event.text for _, event in GenerateStage(lambda: tiny).stream([state]) if isinstance(event, TokenEvent)]
    assert state.request is not None
    assert "".join(tokens).strip() == tiny.generate([state.request])[0].text.strip()


def test_probes_can_be_limited_to_some_streams(tiny: TransformersGenerator) -> None:
    request = asked(tiny, "one?").request
    assert request is not None
    whole, limited = tiny.generate([request, replace(request, probed=("parametric",))])
    assert limited.memory_answer == whole.memory_answer
    assert (limited.context_answer, limited.token_ids) == ("", whole.token_ids)
