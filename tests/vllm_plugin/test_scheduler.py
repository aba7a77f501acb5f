"""The pair scheduler, by simulation: random traffic, and every answer is right or its client knows why not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

from vllm.sampling_params import StructuredOutputsParams

from decoders.pairing import Half
from decoders.params import AdaCad, Cad
from tests.vllm_plugin.simulation import Client, Simulation, expected_answer, request

GRAMMAR = StructuredOutputsParams(json='{"type": "object"}')


def check(simulation: Simulation) -> None:
    """No wrong answer, nothing left behind."""
    scheduler = simulation.scheduler
    for client in simulation.clients:
        expected = expected_answer(client.prompts, client.max_tokens)
        for name, output in client.outputs.items():
            if client.is_cancelled:
                assert output == expected[: len(output)], name
            else:
                assert output == expected, (name, client.reasons)
    assert not scheduler.requests
    assert not scheduler.running
    assert len(scheduler.waiting) == 0
    assert len(scheduler.registry) == 0
    pool = scheduler.kv_cache_manager.block_pool
    assert pool.get_num_free_blocks() == pool.num_gpu_blocks - 1


def prompt(simulation: Simulation, low: int, high: int) -> list[int]:
    """Random tokens after one of two shared beginnings, so that the prefix cache has something to find."""
    shared = [simulation.random.choice((1, 2))] * simulation.random.choice((0, 16, 33, 64))
    return shared + [simulation.random.randrange(700) for _ in range(simulation.random.randint(low, high))]


@pytest.mark.parametrize("seed", range(int(os.environ.get("CONCORD_TEST_SEEDS", "3"))))
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("policy", ["fcfs", "priority"])
def test_random_traffic(make_scheduler: Callable[..., Any], seed: int, is_async: bool, policy: str) -> None:
    # 40 blocks of 16 tokens, 48 tokens a step: prompts are chunked and rows preempted all the time.
    scheduler = make_scheduler(num_blocks=40, budget=48, max_rows=10, is_async=is_async, policy=policy)
    simulation = Simulation(scheduler, seed, is_async=is_async)
    rng = simulation.random
    for _ in range(150):
        is_plain = rng.random() < 0.2
        prompts = [prompt(simulation, 2, 120)] if is_plain else [prompt(simulation, 2, 160), prompt(simulation, 2, 30)]
        client = simulation.ask(prompts, rng.randint(1, 40), gap=rng.choice((0, 0, 1, 5)))
        for _ in range(rng.choice((0, 0, 1, 3, 8))):
            simulation.step()
        if rng.random() < 0.1:
            simulation.cancel(client)
    simulation.run()
    check(simulation)
    counters = scheduler.registry.counters
    assert counters.num_chunked > 100
    assert counters.num_preempted > 5
    assert counters.num_redone > 0
    assert counters.num_orphaned == 0


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("max_loras", [2, 4])
def test_random_traffic_with_adapters(make_scheduler: Callable[..., Any], is_async: bool, max_loras: int) -> None:
    """More adapters than there is room for, on either half, on both and on none; some of them wait, none for ever."""
    scheduler = make_scheduler(num_blocks=60, budget=48, max_rows=12, is_async=is_async, max_loras=max_loras)
    simulation = Simulation(scheduler, 1, is_async=is_async)
    rng = simulation.random
    for number in range(120):
        prompts = [prompt(simulation, 2, 100)] if rng.random() < 0.3 else [prompt(simulation, 2, 100) for _ in range(2)]
        adapters = [rng.choice((0, number + 1, rng.randint(1, 6))) for _ in range(2)]
        client = simulation.ask(prompts, rng.randint(1, 20), gap=rng.choice((0, 0, 1, 5)), adapters=adapters)
        for _ in range(rng.choice((0, 0, 1, 3, 8))):
            simulation.step()
        if rng.random() < 0.1:
            simulation.cancel(client)
    simulation.run()
    check(simulation)
    assert scheduler.registry.counters.num_held > 20


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_prefill_in_every_fourth_step_only(make_scheduler: Callable[..., Any], is_async: bool) -> None:
    """From 0.33 on vLLM can hold prefill back for a few steps, of one half or of both (0.32 across ranks only)."""
    scheduler = make_scheduler(num_blocks=40, budget=48, max_rows=10, is_async=is_async, prefill_interval=4)
    simulation = Simulation(scheduler, 1, is_async=is_async)
    rng = simulation.random
    for _ in range(60):
        simulation.ask([prompt(simulation, 2, 160), prompt(simulation, 2, 30)], rng.randint(1, 40))
        for _ in range(rng.choice((0, 1, 3, 8))):
            simulation.step()
    simulation.run()
    check(simulation)


def test_without_pressure_no_pair_is_ever_redone(make_scheduler: Callable[..., Any]) -> None:
    simulation = Simulation(make_scheduler(num_blocks=2000, budget=256, max_rows=32), 1)
    for _ in range(60):
        simulation.ask([prompt(simulation, 2, 150), prompt(simulation, 2, 30)], 20)
        simulation.step()
    simulation.run()
    check(simulation)
    assert simulation.scheduler.registry.counters.num_redone == 0


def test_a_fully_cached_prompt_does_not_block_the_queue(make_scheduler: Callable[..., Any]) -> None:
    # 33 tokens are two whole blocks and one token: the second time, all but the last is cached.
    simulation = Simulation(make_scheduler(budget=64), 1)
    for _ in range(3):
        simulation.ask([[5] * 33, [6] * 100], 4)
        simulation.run(max_steps=500)
    check(simulation)


def test_a_half_waits_for_its_other_and_others_go_on(make_scheduler: Callable[..., Any]) -> None:
    simulation = Simulation(make_scheduler(), 1)
    pair = simulation.ask([[1, 2, 3], [4, 5]], 5, gap=30)
    plain = simulation.ask([[7, 8, 9]], 5)
    for _ in range(10):
        simulation.step()
    assert plain.reasons
    assert not any(pair.outputs.values())
    simulation.run()
    check(simulation)


def test_a_lone_half_is_nothing_to_work_on(make_scheduler: Callable[..., Any]) -> None:
    scheduler = make_scheduler()
    scheduler.add_request(request("a", [1, 2, 3], 4, Half("p", "context", AdaCad())))
    assert not scheduler.has_requests()
    scheduler.finish_requests(["a"], _aborted())
    assert len(scheduler.registry) == 0


def test_a_lone_half_is_told_when_it_waited_too_long(
    make_scheduler: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decoders.vllm_plugin.arrivals.LONE_TIMEOUT_S", -1.0)
    scheduler = make_scheduler()
    scheduler.add_request(request("a", [1, 2, 3], 4, Half("p", "context", AdaCad())))
    scheduler.add_request(request("b", [1, 2, 3], 4))
    assert "did not come" in refusals(scheduler)["a"]


def test_a_half_left_alone_is_ended_with_the_reason(make_scheduler: Callable[..., Any]) -> None:
    simulation = Simulation(make_scheduler(), 1)
    client = simulation.ask([[1, 2, 3], [4, 5]], 30)
    simulation.step()
    simulation.scheduler.finish_requests(["0-context"], _aborted())
    client.reasons["0-context"] = ("abort", None)
    simulation.run()
    assert "other half" in client.reasons["0-parametric"][1]
    assert len(simulation.scheduler.registry) == 0


@pytest.mark.parametrize(
    ("halves", "reason"),
    [
        ([("c1", "context", {}), ("c2", "context", {})], "in use"),
        ([("c", "context", {}), ("p", "parametric", {}), ("x", "parametric", {})], "in use"),
        ([("c", "context", {}), ("p", "parametric", {"max_tokens": 9})], "max_tokens"),
        ([("c", "context", {}), ("p", "parametric", {"presence_penalty": 0.5})], "presence_penalty"),
        ([("c", "context", {}), ("p", "parametric", {"decoder": Cad()})], "decoders"),
        ([("c", "context", {}), ("p", "parametric", {"structured_outputs": GRAMMAR})], "structured_outputs"),
        ([("c", "context", {"prompt": [1]})], "2 tokens"),
        ([("c", "context", {"prompt": [1] * 1022})], "window"),
        ([("c", "context", {"prompt": [1] * 900}), ("p", "parametric", {"prompt": [2] * 900})], "blocks"),
    ],
)
def test_what_cannot_be_a_pair_is_refused_and_the_rest_unharmed(
    make_scheduler: Callable[..., Any], halves: list[tuple[str, Any, dict[str, Any]]], reason: str
) -> None:
    simulation = Simulation(make_scheduler(num_blocks=60), 1)
    plain = simulation.ask([[7, 8, 9]], 5)
    for name, role, overrides in halves:
        options = {"max_tokens": 5} | overrides
        half = Half("pair", role, options.pop("decoder", AdaCad()))
        one = request(name, options.pop("prompt", [1, 2, 3]), options.pop("max_tokens"), half, **options)
        simulation.client_by_request[name] = Client([[]], 0, {name: []})
        simulation.scheduler.add_request(one)
    refused = simulation.client_by_request[halves[-1][0]]
    while simulation.scheduler.has_requests():
        simulation.step()
    assert reason in refused.reasons[halves[-1][0]][1]
    assert plain.outputs["0-context"] == expected_answer(plain.prompts, 5)
    simulation.scheduler.finish_requests(None, _aborted())
    assert len(simulation.scheduler.registry) == 0


def refusals(scheduler: Any) -> dict[str, str]:
    """What the next step tells about requests that were refused."""
    from vllm.v1.outputs import EMPTY_MODEL_RUNNER_OUTPUT

    plan = scheduler.schedule()
    plan.num_scheduled_tokens.clear()
    outputs = scheduler.update_from_output(plan, EMPTY_MODEL_RUNNER_OUTPUT)
    return {
        output.request_id: output.stop_reason
        for client in outputs.values()
        for output in client.outputs
        if output.stop_reason
    }


def _aborted() -> Any:
    from vllm.v1.request import RequestStatus

    return RequestStatus.FINISHED_ABORTED
