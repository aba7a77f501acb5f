"""A vLLM scheduler that keeps the two halves of an answer in step.

vLLM schedules requests one by one; a contrastive answer needs two of them to choose each token in the same step. What
could part them, and what is done:

    arrival        the first half waits outside the queue until the second has come; then both join it, side by side
    chunked        a half whose prompt is about to end keeps one token back until the other can end in the same step
      prefill
    preemption     whatever vLLM did to one half is done to the other
    abort          the half that is left is ended with an error
    anything else  a step that sampled for one half alone is thrown away before its token is seen, and both halves are
                   preempted, to go on together from where they were (the prefix cache makes that cheap)

The last line makes the others matters of speed, not of correctness. Requests that are no halves take vLLM's own path.

Rests on private names of vLLM (``check_version``): ``_reserve_prefill_lookahead``, ``_preempt_request``,
``_get_local_prefix_cache_hit``, ``_free_request``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import vllm
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason
from vllm.v1.outputs import LogprobsLists
from vllm.v1.request import RequestStatus

from decoders.pairing import PairError
from decoders.trace import StepTrace
from decoders.vllm_plugin import check_version
from decoders.vllm_plugin.gang import LONE_TIMEOUT_S, Gang, Pair, half_of, hand_over
from decoders.vllm_plugin.limits import check_half, check_pair, num_blocks
from decoders.vllm_plugin.outbox import traces_of

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.outputs import ModelRunnerOutput
    from vllm.v1.request import Request

    _Base = Scheduler
else:
    _Base = object

check_version(vllm.__version__)


class GangScheduling(_Base):
    """Mixed into vLLM's schedulers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gang = Gang()
        self._failed: dict[str, tuple[Request, str]] = {}
        self._orphans: dict[str, Request] = {}
        self._begin_step()

    # -- arrival and departure ------------------------------------------------------------------------------------

    def add_request(self, request: Request) -> None:
        """Queue a request; a half only with its other half."""
        self._expire()
        try:
            half = half_of(request)
            if half is None:
                return super().add_request(request)
            check_half(request, self)
            pair = self.gang.join(request, half)
            if pair.is_complete:
                check_pair(pair, self)
        except PairError as error:
            return self._refuse(request, str(error))
        if pair.is_complete:
            first = min(member.arrival_time for member in pair.in_order())
            for member in pair.in_order():
                hand_over(member)
                member.arrival_time = first
                super().add_request(member)
        return None

    def finish_requests(self, request_ids: str | Iterable[str] | None, finished_status: RequestStatus) -> list[Request]:
        """End requests from outside; halves that wait for their other one are in no queue of vLLM's."""
        if isinstance(request_ids, str):
            request_ids = [request_ids]
        ids = None if request_ids is None else set(request_ids)
        for half in list(self.gang.lone()):
            if ids is None or half.request_id in ids:
                self._drop(half.request_id)
        return super().finish_requests(ids, finished_status)

    def get_num_unfinished_requests(self) -> int:
        """vLLM's count and the refusals still to be told; a lone half is nothing to work on."""
        return super().get_num_unfinished_requests() + len(self._failed)

    def _free_request(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        self._drop(request.request_id)
        return super()._free_request(request, *args, **kwargs)

    def _drop(self, request_id: str) -> None:
        rest = self.gang.leave(request_id)
        self._orphans.pop(request_id, None)
        if rest is not None:
            self._orphans[rest.request_id] = rest

    def _refuse(self, request: Request, reason: str) -> None:
        """Answer a request with an error; a half that waited for it learns the same."""
        self.gang.counters.num_refused += 1
        self._failed[request.request_id] = (request, reason)
        rest = self.gang.leave(request.request_id) or self.gang.waiting_for(request)
        if rest is not None:
            self.gang.leave(rest.request_id)
            self._failed[rest.request_id] = (rest, reason)

    def _expire(self) -> None:
        now = time.monotonic()
        for half in list(self.gang.lone()):
            pair = self.gang.pair_of(half.request_id)
            if pair is not None and now - pair.since > LONE_TIMEOUT_S:
                self._refuse(half, f"the other half of pair {pair.pair_id!r} did not come in {LONE_TIMEOUT_S:g} s")

    # -- one step ---------------------------------------------------------------------------------------------------

    def _begin_step(self) -> None:
        self._budget = self.max_num_scheduled_tokens
        self._asked: set[str] = set()
        self._ending: set[str] = set()

    def schedule(self, *args: Any, **kwargs: Any) -> SchedulerOutput:
        """vLLM's schedule, in which halves wait for each other; pairs that were parted all the same start over."""
        self._expire()
        self._begin_step()
        output = super().schedule(*args, **kwargs)
        touched = (self.gang.pair_of(name) for name in (*output.num_scheduled_tokens, *_preempted(output)))
        for pair in {pair.pair_id: pair for pair in touched if pair is not None}.values():
            if self._is_parted(pair, output):
                self._redo(pair)
        return output

    def _reserve_prefill_lookahead(self, request: Request, num_computed_tokens: int, num_new_tokens: int) -> int:
        """vLLM asks this for every request that could run: how many of its tokens may, in this step."""
        num_new = super()._reserve_prefill_lookahead(request, num_computed_tokens, num_new_tokens)
        if self.gang.pair_of(request.request_id) is not None:
            left = request.num_tokens + request.num_output_placeholders - num_computed_tokens
            if num_new < left:
                self.gang.counters.num_chunked += 1
            elif self._may_end(request, self._budget - num_new):
                self._ending.add(request.request_id)
            else:
                self.gang.counters.num_held += 1
                num_new -= 1
            self._asked.add(request.request_id)
        self._budget -= num_new
        return num_new

    def _may_end(self, request: Request, budget: int) -> bool:
        """Whether a half may compute its last known token, after which it chooses the next: the other must too."""
        partner = self.gang.partner(request)
        if partner is None:
            return False
        if partner.request_id in self._asked:
            return partner.request_id in self._ending
        if partner.status == RequestStatus.RUNNING:
            left = partner.num_tokens + partner.num_output_placeholders - partner.num_computed_tokens
            return left <= self._capped(budget)
        # Both come from the queue, the partner next: it must be admitted, and end its prompt, in this very step.
        left = partner.num_tokens - self._num_cached(partner)
        return (
            request.status != RequestStatus.RUNNING
            and self.lora_config is None
            and left <= self._capped(budget)
            and len(self.running) + 2 <= self.max_num_active_reqs
            and num_blocks(request.num_tokens, self) + num_blocks(partner.num_tokens, self) + 2
            <= self.kv_cache_manager.block_pool.get_num_free_blocks()
        )

    def _capped(self, budget: int) -> int:
        threshold = self.scheduler_config.long_prefill_token_threshold
        return min(budget, threshold) if threshold > 0 else budget

    def _num_cached(self, request: Request) -> int:
        return int(self._get_local_prefix_cache_hit(request)[1])

    def _get_local_prefix_cache_hit(self, request: Request, *args: Any) -> Any:
        """A half that is new never finds all but one token of its prompt cached: it may have to wait at the last."""
        blocks, num_cached, *rest = super()._get_local_prefix_cache_hit(request, *args)
        if self.gang.pair_of(request.request_id) is not None and request.num_tokens - num_cached == 1:
            num_cached -= self.block_size
            blocks = self.kv_cache_manager.truncate_computed_blocks(blocks, num_cached)
        return blocks, num_cached, *rest

    def _is_parted(self, pair: Pair, output: SchedulerOutput) -> bool:
        halves = pair.in_order()
        samples = [half.request_id in output.num_scheduled_tokens and not half.is_prefill_chunk for half in halves]
        gone = [half.request_id in _preempted(output) for half in halves]
        self.gang.counters.num_preempted += sum(gone)
        if len(halves) < 2:
            return any(samples)
        return samples[0] != samples[1] or gone[0] != gone[1]

    def _redo(self, pair: Pair) -> None:
        self.gang.counters.num_redone += 1
        # The context half last: what is preempted goes to the head of the queue, and it comes first there.
        for half in reversed(pair.in_order()):
            if half.status == RequestStatus.RUNNING:
                self.running.remove(half)
                self._preempt_request(half, time.monotonic(), drop_stale_output=True)
            else:
                half.drop_stale_output = True

    # -- the result of a step ---------------------------------------------------------------------------------------

    def update_from_output(
        self, scheduler_output: SchedulerOutput, model_runner_output: ModelRunnerOutput
    ) -> dict[int, EngineCoreOutputs]:
        """vLLM's outputs, with the traces of pairs in them and the errors of what was refused."""
        deciding, traces = self._deciding(scheduler_output), traces_of(model_runner_output)
        outputs = super().update_from_output(scheduler_output, model_runner_output)
        for output in [output for client in outputs.values() for output in client.outputs]:
            if output.new_token_ids and output.request_id in deciding:
                pair, position = deciding[output.request_id]
                self._report(output, pair, traces.get((pair.pair_id, position)))
        for orphan in list(self._orphans.values()):
            self.gang.counters.num_orphaned += 1
            self._fail(orphan, "the other half of the pair has gone; this one cannot go on alone")
        for request, reason in self._failed.values():
            client = outputs.setdefault(request.client_index, EngineCoreOutputs())
            client.outputs.append(
                EngineCoreOutput(request.request_id, [], finish_reason=FinishReason.ABORT, stop_reason=reason)
            )
        self._failed.clear()
        return outputs

    def _deciding(self, scheduler_output: SchedulerOutput) -> dict[str, tuple[Pair, int]]:
        """The context halves of this step with the position that each decides."""
        found = {}
        for request_id in scheduler_output.num_scheduled_tokens:
            pair = self.gang.pair_of(request_id)
            half = pair.halves.get("context") if pair else None
            if pair is not None and half is not None and half.request_id == request_id:
                found[request_id] = (pair, half.num_output_tokens)
        return found

    def _report(self, output: EngineCoreOutput, pair: Pair, trace: StepTrace | None) -> None:
        if trace is None or trace.is_broken:
            # Not seen in any test; if it happens the token must not pass for an answer.
            output.new_token_ids, output.finish_reason = [], FinishReason.ABORT
            output.stop_reason = "the pair fell out of step, or the engine runs without our logits processor and worker"
            for half in pair.in_order():
                self._fail(half, output.stop_reason)
            self._failed.pop(output.request_id, None)
        elif pair.wants_trace:
            output.new_logprobs = _as_logprobs(trace, output.new_token_ids[-1])

    def _fail(self, request: Request, reason: str) -> None:
        """End a half that runs, and have its client told why."""
        self._failed[request.request_id] = (request, reason)
        self.finish_requests(request.request_id, RequestStatus.FINISHED_ABORTED)
        self._orphans.pop(request.request_id, None)


def _preempted(output: SchedulerOutput) -> set[str]:
    return output.preempted_req_ids or set()


def _as_logprobs(trace: StepTrace, token_id: int) -> LogprobsLists:
    ids, values = trace.entries(token_id)
    return LogprobsLists(np.array([ids], dtype=np.int32), np.array([values], dtype=np.float32), np.array([1]))


class PairScheduler(GangScheduling, Scheduler):
    """The class to name as ``--scheduler-cls``; asynchronous where the engine's configuration is."""

    def __new__(cls, vllm_config: VllmConfig, *args: Any, **kwargs: Any) -> PairScheduler:
        """The synchronous or the asynchronous kind."""
        del args, kwargs
        is_async = vllm_config.scheduler_config.async_scheduling
        return object.__new__(AsyncPairScheduler if is_async and cls is PairScheduler else cls)


class AsyncPairScheduler(PairScheduler, AsyncScheduler):
    """The same over asynchronous scheduling, which plans a step while the one before it still runs."""
