"""Callers in several threads share one batch: same tokens, turns, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from rag.core.errors import UnavailableError
from rag.generation.base import Chunk, Done, Request
from rag.generation.transformers.batch import RunningBatch
from rag.generation.transformers.driver import Driver
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.waiting import Waiting
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.generation.test_transformers import requests


@pytest.fixture
def llama() -> Iterator[TransformersGenerator]:
    generator = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", max_rows=8)
    yield generator
    generator.close()


@pytest.fixture
def batches(llama: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every batch that the generator makes from now on."""
    recorded: list[Any] = []
    make = llama._driver._make_batch

    def record() -> Any:
        recorded.append(make())
        return recorded[-1]

    monkeypatch.setattr(llama._driver, "_make_batch", record)
    return recorded


def soon(is_true: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    end = time.monotonic() + timeout_s
    while not is_true() and time.monotonic() < end:
        time.sleep(0.005)
    return is_true()


def test_callers_get_what_they_would_get_alone(llama: TransformersGenerator) -> None:
    lists = [requests(3, seed=seed) for seed in range(8)]
    alone = [llama.generate(mine) for mine in lists]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(llama.generate, lists))
    for mine, shared in zip(alone, together, strict=True):
        assert [r.token_ids for r in shared] == [r.token_ids for r in mine]
        assert [r.memory_answer for r in shared] == [r.memory_answer for r in mine]


def test_threads_share_one_batch(llama: TransformersGenerator, batches: list[Any]) -> None:
    first = llama.stream(requests(1, seed=1))
    next(first)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(llama.generate, requests(1, seed=2)).result()
    assert len(other) == 1
    list(first)
    assert len(batches) == 1


def test_a_closed_stream_frees_its_rows(llama: TransformersGenerator, batches: list[Any]) -> None:
    """The one who stays keeps its tokens; the rows of the one who left are gone a step later."""
    stays, left = requests(2)
    expected = llama.generate([stays])[0].token_ids
    assert soon(lambda: llama._driver._thread is None)
    batches.clear()
    leaving = llama.stream([left] * 3)
    next(leaving)
    staying = llama.stream([stays])
    events = [next(staying)]
    leaving.close()
    events += list(staying)
    assert [e.generation.token_ids for e in events if isinstance(e, Done)] == [expected]
    assert not any(event.index for event in events)
    assert soon(lambda: batches[0].rows.num_rows == 0 and not batches[0].sequences)


def test_a_closed_stream_stops_within_one_step(llama: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = count_steps(monkeypatch)
    stream = llama.stream(requests(1))
    next(stream)
    stream.close()
    at_close = len(steps)
    assert soon(lambda: llama._driver._thread is None)
    assert len(steps) <= at_close + 1


def test_the_thread_ends_when_nobody_waits(llama: TransformersGenerator) -> None:
    num_before = threading.active_count()
    for _ in range(3):
        llama.generate(requests(1))
    assert soon(lambda: threading.active_count() == num_before)


def test_closing_the_generator_tells_those_who_wait(llama: TransformersGenerator) -> None:
    stream = llama.stream(requests(4))
    next(stream)
    llama.close()
    with pytest.raises(UnavailableError, match="closed"):
        list(stream)
    with pytest.raises(UnavailableError, match="closed"):
        llama.generate(requests(1))


def test_callers_take_turns() -> None:
    waiting: Waiting[Request] = Waiting()
    long, short = requests(4), requests(1)
    waiting.add(list(enumerate(long)))
    waiting.add(list(enumerate(short, start=10)))
    assert [waiting.pop()[0] for _ in range(5)] == [0, 10, 1, 2, 3]
    assert not waiting


def test_dropped_requests_are_not_taken() -> None:
    waiting: Waiting[Request] = Waiting()
    waiting.add(list(enumerate(requests(3))))
    waiting.drop({0, 2})
    assert waiting.next[0] == 1
    waiting.drop({1})
    assert not waiting


def test_random_arrivals_and_departures(llama: TransformersGenerator, batches: list[Any]) -> None:
    """Property: whoever stays gets exactly what it would get alone, whoever else comes and goes."""
    every = requests(12, seed=5)
    alone = [llama.generate([request])[0] for request in every]

    def call(number: int) -> bool:
        stream = llama.stream([every[number]])
        if number % 3 == 0:
            for _ in range(number % 4 + 1):
                next(stream)
            stream.close()
            return True
        events = list(stream)
        text = "".join(event.text for event in events if isinstance(event, Chunk)).strip()
        done = [event.generation for event in events if isinstance(event, Done)]
        return [d.token_ids for d in done] == [alone[number].token_ids] and text == alone[number].text

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(call, range(12)))
    assert soon(lambda: llama._driver._thread is None)
    assert batches[-1].rows.num_rows == 0


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each step of the batches that are made from now on."""
    steps: list[int] = []
    run = RunningBatch.step

    def counted(batch: RunningBatch, waiting: Waiting[Any]) -> Any:
        steps.append(1)
        return run(batch, waiting)

    monkeypatch.setattr(RunningBatch, "step", counted)
    return steps


def test_a_driver_without_requests_starts_no_thread() -> None:
    driver = Driver(lambda: pytest.fail("no batch is needed"))
    assert list(driver.stream([], [])) == []
    driver.close()


def test_a_request_is_shared_by_none(llama: TransformersGenerator) -> None:
    """Equal requests of two callers are two answers, each with its own index."""
    request: Request = requests(1)[0]
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(llama.generate, [[request, request], [request]])
    assert one[0].token_ids == one[1].token_ids == two[0].token_ids


def test_equal_prompts_share_rows_within_one_tenant_only(llama: TransformersGenerator, batches: list[Any]) -> None:
    """Two answers to one prompt cost the rows of one; of two tenants, those of two, and the same tokens."""

    def salted(request: Request, salt: str) -> Request:
        prompts = {name: prompt._replace(salt=salt) for name, prompt in request.streams.items()}
        return replace(request, streams=prompts, has_probes=False)

    def most_rows(*salts: str) -> int:
        batches.clear()
        events = llama.stream([salted(question, salt) for salt in salts])
        seen, tokens = [], []
        for event in events:
            seen.append(batches[0].rows.num_rows)
            if isinstance(event, Done):
                tokens.append(event.generation.token_ids)
        assert tokens == [expected] * len(salts)
        assert soon(lambda: llama._driver._thread is None)
        return max(seen)

    (question,) = requests(1)
    expected = llama.generate([question])[0].token_ids
    assert soon(lambda: llama._driver._thread is None)
    assert most_rows("ann", "ann") == most_rows("ann")
    assert most_rows("ann", "ben") == 2 * most_rows("ann")
