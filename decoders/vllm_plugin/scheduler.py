"""A vLLM scheduler that keeps the two halves of an answer in step.

vLLM schedules requests one by one; a contrastive answer needs two of them to choose each token in the same step. This
could separate them, and this is done:

    arrival        the first half waits outside the queue until the second arrives; then both join it, side by side
    chunked        a half whose prompt is about to end keeps one token back until the other can end in the same step
      prefill
    preemption     what vLLM does to one half is done to the other
    abort          the remaining half ends with an error
    anything else  a step that sampled for one half alone is dropped before its token is seen, and both halves are
                   preempted, to continue together from where they were (the prefix cache makes that cheap)

The last line alone makes answers correct; the others make them fast. Ordinary requests take vLLM's own path.

The internals of vLLM that this needs are in :mod:`decoders.vllm_plugin.compat`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from decoders.trace import StepTrace
from decoders.vllm_plugin.arrivals import PairArrivals
from decoders.vllm_plugin.compat import (
    AsyncScheduler,
    EngineCoreOutput,
    EngineCoreOutputs,
    FinishReason,
    LogprobsLists,
    ModelRunnerOutput,
    Request,
    RequestStatus,
    Scheduler,
    SchedulerOutput,
    VllmConfig,
)
from decoders.vllm_plugin.limits import num_blocks
from decoders.vllm_plugin.registry import Pair
from decoders.vllm_plugin.traces import read_attached


class PairScheduling(PairArrivals):
    """Chooses the halves that run in a step, and reads its results; mixed into vLLM's schedulers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begin_step()

    def _begin_step(self) -> None:
        self._budget = self.max_num_scheduled_tokens
        self._asked: set[str] = set()
        self._ending: set[str] = set()

    def schedule(self, *args: Any, **kwargs: Any) -> SchedulerOutput:
        """vLLM's schedule, in which halves wait for each other; pairs that were separated anyway are redone."""
        self._expire()
        self._begin_step()
        output = super().schedule(*args, **kwargs)
        touched = (self.registry.find(name) for name in (*output.num_scheduled_tokens, *_preempted(output)))
        for pair in {pair.pair_id: pair for pair in touched if pair is not None}.values():
            if self._is_parted(pair, output):
                self._redo(pair)
        return output

    def may_run(self, request: Request) -> bool:
        """Keep the adapters of what runs, and of the partners it needs, within those that the engine has room for.

        vLLM counts the adapters of the step. That is too few where a half is held back in this step: the next step
        would have more than there is room for, and vLLM gives up.
        """
        if self.lora_config is None:
            return True
        needed = self._adapters(request)
        taken = {lora_id for running in self.running for lora_id in self._adapters(running)}
        return needed <= taken or len(needed | taken) <= self.lora_config.max_loras

    def _adapters(self, request: Request) -> set[int]:
        """vLLM's numbers of the adapters of a request and of its partner."""
        both = (request, self.registry.partner(request))
        return {one.lora_request.lora_int_id for one in both if one is not None and one.lora_request is not None}

    def limit_new_tokens(self, request: Request, num_computed_tokens: int, num_new_tokens: int) -> int:
        """Hold back the last token of a half until its partner can compute its last token in the same step."""
        num_new = num_new_tokens
        if self.registry.find(request.request_id) is not None:
            left = request.num_tokens + request.num_output_placeholders - num_computed_tokens
            if num_new < left:
                self.registry.counters.num_chunked += 1
            elif self._may_end(request, self._budget - num_new):
                self._ending.add(request.request_id)
            else:
                self.registry.counters.num_held += 1
                num_new -= 1
            self._asked.add(request.request_id)
        self._budget -= num_new
        return num_new

    def _may_end(self, request: Request, budget: int) -> bool:
        """Whether a half may compute its last known token, and so choose the next: its partner must do so too."""
        partner = self.registry.partner(request)
        if partner is None:
            return False
        if partner.request_id in self._asked:
            return partner.request_id in self._ending
        if partner.status == RequestStatus.RUNNING:
            left = partner.num_tokens + partner.num_output_placeholders - partner.num_computed_tokens
            return left <= self._capped(budget)
        # Both come from the queue, the partner next: it must be admitted, and end its prompt, in this very step.
        left = partner.num_tokens - self.count_cached_tokens(partner)
        return (
            request.status != RequestStatus.RUNNING
            and left <= self._capped(budget)
            and len(self.running) + 2 <= self.max_num_active_reqs
            and num_blocks(request.num_tokens, self) + num_blocks(partner.num_tokens, self) + 2
            <= self.kv_cache_manager.block_pool.get_num_free_blocks()
        )

    def _capped(self, budget: int) -> int:
        threshold = self.scheduler_config.long_prefill_token_threshold
        return min(budget, threshold) if threshold > 0 else budget

    def limit_cached_tokens(self, request: Request, num_cached_tokens: int) -> int:
        """Leave a new half at least two tokens to compute: it may have to wait before the last one."""
        is_half = self.registry.find(request.request_id) is not None
        return num_cached_tokens - self.block_size * (is_half and request.num_tokens - num_cached_tokens == 1)

    def _is_parted(self, pair: Pair, output: SchedulerOutput) -> bool:
        halves = pair.in_order()
        samples = [half.request_id in output.num_scheduled_tokens and not half.is_prefill_chunk for half in halves]
        gone = [half.request_id in _preempted(output) for half in halves]
        self.registry.counters.num_preempted += sum(gone)
        if len(halves) < 2:
            return any(samples)
        return samples[0] != samples[1] or gone[0] != gone[1]

    def _redo(self, pair: Pair) -> None:
        self.registry.counters.num_redone += 1
        # The context half last: what is preempted goes to the head of the queue, and it comes first there.
        for half in reversed(pair.in_order()):
            if half.status == RequestStatus.RUNNING:
                self.preempt(half)
            else:
                half.drop_stale_output = True

    def update_from_output(
        self, scheduler_output: SchedulerOutput, model_runner_output: ModelRunnerOutput
    ) -> dict[int, EngineCoreOutputs]:
        """vLLM's outputs, with the traces of pairs and the errors of refused requests."""
        deciding, traces = self._deciding(scheduler_output), read_attached(model_runner_output)
        outputs = super().update_from_output(scheduler_output, model_runner_output)
        for output in [output for client in outputs.values() for output in client.outputs]:
            if output.new_token_ids and output.request_id in deciding:
                pair, position = deciding[output.request_id]
                self._report(output, pair, traces.get((pair.pair_id, position)))
        for orphan in list(self._orphans.values()):
            self.registry.counters.num_orphaned += 1
            self._fail(orphan, "the other half of the pair has gone; this one cannot continue alone")
        for request, reason in self._failed.values():
            client = outputs.setdefault(request.client_index, EngineCoreOutputs())
            client.outputs.append(
                EngineCoreOutput(request.request_id, [], finish_reason=FinishReason.ABORT, stop_reason=reason)
            )
        self._failed.clear()
        return outputs

    def _deciding(self, scheduler_output: SchedulerOutput) -> dict[str, tuple[Pair, int]]:
        """The context halves of this step with the position that each decides."""
        positions = {}
        for request_id in scheduler_output.num_scheduled_tokens:
            pair = self.registry.find(request_id)
            half = pair.halves.get("context") if pair else None
            if pair is not None and half is not None and half.request_id == request_id:
                positions[request_id] = (pair, half.num_output_tokens)
        return positions

    def _report(self, output: EngineCoreOutput, pair: Pair, trace: StepTrace | None) -> None:
        if trace is None or trace.is_broken:
            # No test has seen it; if it happens, the token must not pass for an answer.
            output.new_token_ids, output.finish_reason = [], FinishReason.ABORT
            output.stop_reason = "the pair fell out of step, or the engine runs without our logits processor and worker"
            for half in pair.in_order():
                self._fail(half, output.stop_reason)
            self._failed.pop(output.request_id, None)
        elif pair.wants_trace:
            output.new_logprobs = _as_logprobs(trace, output.new_token_ids[-1])


def _preempted(output: SchedulerOutput) -> set[str]:
    return output.preempted_req_ids or set()


def _as_logprobs(trace: StepTrace, token_id: int) -> LogprobsLists:
    ids, values = trace.entries(token_id)
    return LogprobsLists(np.array([ids], dtype=np.int32), np.array([values], dtype=np.float32), np.array([1]))


class PairScheduler(PairScheduling, Scheduler):
    """The class to name as ``--scheduler-cls``; asynchronous where the engine's configuration is."""

    def __new__(cls, vllm_config: VllmConfig, *args: Any, **kwargs: Any) -> PairScheduler:
        """The synchronous or the asynchronous kind."""
        del args, kwargs
        is_async = vllm_config.scheduler_config.async_scheduling
        return object.__new__(AsyncPairScheduler if is_async and cls is PairScheduler else cls)


class AsyncPairScheduler(PairScheduler, AsyncScheduler):
    """The same over asynchronous scheduling, which plans a step while the one before it still runs."""
