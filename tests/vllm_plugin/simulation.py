"""A worker that computes no model, and clients that come and go: everything about an engine but the tensors.

The worker keeps its own copy of each request's output, as vLLM's model runner does, and follows the scheduler's
word only. A pair's token is a function of both halves' whole history, so a token that was chosen out of step, twice
or from a stale state shows in the answer.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vllm import SamplingParams
from vllm.lora.request import LoRARequest
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus

from decoders.pairing import KEY, ROLES, Half
from decoders.params import AdaCad
from decoders.trace import TRACE_SIZE, StepTrace
from decoders.vllm_plugin.traces import attach

EOS = 999
ALONE = 777  # what a half's row samples when its other half is not beside it

init_none_hash(sha256)
_HASHER = get_request_block_hasher(16, sha256)


def next_token(*histories: Sequence[int]) -> int:
    """The next token after these histories: any function that no two states share by chance."""
    text = repr([list(history) for history in histories]).encode()
    number = int.from_bytes(hashlib.sha256(text).digest()[:4], "big")
    return EOS if number % 40 == 0 else number % 700


def expected_answer(prompts: Sequence[Sequence[int]], max_tokens: int) -> list[int]:
    """The right answer of a pair (two prompts) or of a plain request (one)."""
    output: list[int] = []
    while len(output) < max_tokens and (not output or output[-1] != EOS):
        output.append(next_token(*([*prompt, *output] for prompt in prompts)))
    return output


def request(
    name: str, prompt: Sequence[int], max_tokens: int, half: Half | None = None, adapter: int = 0, **sampling: Any
) -> Request:
    """A request as the engine core hands it to the scheduler; ``adapter`` is a number, 0 for none."""
    extra = {KEY: half.to_text()} if half else None
    params = SamplingParams(temperature=0.0, max_tokens=max_tokens, extra_args=extra, **sampling)
    params.update_from_generation_config({}, EOS)
    lora = LoRARequest(f"adapter-{adapter}", adapter, "nowhere") if adapter else None
    return Request(name, list(prompt), params, None, lora_request=lora, block_hasher=_HASHER)


@dataclass
class _Job:
    half: Half | None
    prompt: list[int]
    output: list[int] = field(default_factory=list)


class Worker:
    """Rows of requests, as the scheduler tells of them."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    def run(self, plan: Any) -> ModelRunnerOutput:
        """One step."""
        for name in plan.finished_req_ids:
            self._jobs.pop(name, None)
        for new in plan.scheduled_new_reqs:
            self._jobs[new.req_id] = _Job(
                Half.from_extra_args(new.sampling_params.extra_args), list(new.prompt_token_ids)
            )
        cached = plan.scheduled_cached_reqs
        computed = {new.req_id: new.num_computed_tokens for new in plan.scheduled_new_reqs}
        for name, num_computed, num_output in zip(
            cached.req_ids, cached.num_computed_tokens, cached.num_output_tokens, strict=True
        ):
            computed[name] = num_computed
            del self._jobs[name].output[num_output:]
        names = list(plan.num_scheduled_tokens)
        sampling = {
            name: self._jobs[name]
            for name in names
            if computed[name] + plan.num_scheduled_tokens[name] == self._length(name)
        }
        traces: dict[tuple[str, int], StepTrace] = {}
        tokens = {name: self._token(job, sampling, traces) for name, job in sampling.items()}
        for name, token in tokens.items():
            self._jobs[name].output.append(token)
        sampled = [[tokens[name]] if name in tokens else [] for name in names]
        result = ModelRunnerOutput(names, {name: i for i, name in enumerate(names)}, sampled)
        attach(result, traces)
        return result

    def _length(self, name: str) -> int:
        return len(self._jobs[name].prompt) + len(self._jobs[name].output)

    def _token(self, job: _Job, sampling: dict[str, _Job], traces: dict[tuple[str, int], StepTrace]) -> int:
        if job.half is None:
            return next_token([*job.prompt, *job.output])
        mates = {
            other.half.role: other
            for other in sampling.values()
            if other.half and other.half.pair_id == job.half.pair_id
        }
        if len(mates) < 2 or len({len(mate.output) for mate in mates.values()}) > 1:
            return ALONE
        traces[job.half.pair_id, len(job.output)] = StepTrace.from_numbers([0.0] * TRACE_SIZE)
        return next_token(*([*mates[role].prompt, *mates[role].output] for role in ROLES))


@dataclass
class Client:
    """One answer that somebody waits for."""

    prompts: list[list[int]]
    max_tokens: int
    outputs: dict[str, list[int]]
    reasons: dict[str, Any] = field(default_factory=dict)
    is_cancelled: bool = False


class Simulation:
    """Clients, a scheduler and a worker; everything random comes from the seed."""

    def __init__(self, scheduler: Any, seed: int, *, is_async: bool = False) -> None:
        self.scheduler = scheduler
        self.random = random.Random(seed)
        self.clients: list[Client] = []
        self.client_by_request: dict[str, Client] = {}
        self._worker = Worker()
        self._is_async = is_async
        self._late: list[tuple[int, Request]] = []
        self._in_flight: deque[tuple[Any, ModelRunnerOutput]] = deque()
        self.num_steps = 0

    def ask(
        self, prompts: list[list[int]], max_tokens: int, *, gap: int = 0, adapters: Sequence[int] = (0, 0)
    ) -> Client:
        """One answer; the parametric half of a pair comes ``gap`` steps after the context half."""
        number = len(self.clients)
        names = [f"{number}-{role}" for role in ROLES[: len(prompts)]]
        client = Client(prompts, max_tokens, {name: [] for name in names})
        self.clients.append(client)
        for index, (name, prompt) in enumerate(zip(names, prompts, strict=True)):
            self.client_by_request[name] = client
            half = Half(str(number), ROLES[index], AdaCad()) if len(prompts) == 2 else None
            self._late.append((self.num_steps + index * gap, request(name, prompt, max_tokens, half, adapters[index])))
        return client

    def cancel(self, client: Client) -> None:
        """The client leaves."""
        client.is_cancelled = True
        self._late = [(step, late) for step, late in self._late if late.request_id not in client.outputs]
        self.scheduler.finish_requests(list(client.outputs), RequestStatus.FINISHED_ABORTED)

    def step(self) -> None:
        """One turn of the engine core's loop."""
        self.num_steps += 1
        for due in [late for late in self._late if late[0] < self.num_steps]:
            self._late.remove(due)
            self.scheduler.add_request(due[1])
        if self.scheduler.has_requests():
            plan = self.scheduler.schedule()
            self._check_adapters(plan)
            self._in_flight.append((plan, self._worker.run(plan)))
        while self._in_flight and (len(self._in_flight) > self._is_async or not self.scheduler.has_requests()):
            for client_outputs in self.scheduler.update_from_output(*self._in_flight.popleft()).values():
                for output in client_outputs.outputs:
                    self._deliver(output)

    def _check_adapters(self, plan: Any) -> None:
        if self.scheduler.lora_config is not None:
            planned = [self.scheduler.requests[name].lora_request for name in plan.num_scheduled_tokens]
            assert len({one.lora_int_id for one in planned if one}) <= self.scheduler.lora_config.max_loras

    def _deliver(self, output: Any) -> None:
        client = self.client_by_request[output.request_id]
        assert output.request_id not in client.reasons, "an output after the last one"
        client.outputs[output.request_id] += output.new_token_ids
        if output.finish_reason is not None:
            client.reasons[output.request_id] = (str(output.finish_reason), output.stop_reason)

    @property
    def is_done(self) -> bool:
        """Whether every answer is whole, refused or cancelled."""
        waiting = any(len(c.reasons) < len(c.outputs) and not c.is_cancelled for c in self.clients)
        return not waiting and not self._late and not self._in_flight and not self.scheduler.has_requests()

    def run(self, max_steps: int = 20_000) -> None:
        """Until everything is over."""
        while not self.is_done:
            assert self.num_steps < max_steps, "the engine goes round in circles"
            self.step()
