"""Arrivals and departures of halves: the first one waits for its partner, a bad one is refused, a lone one is ended."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from decoders.pairing import PairError
from decoders.vllm_plugin.compat import Request, RequestStatus, SchedulerHooks
from decoders.vllm_plugin.limits import check_half, check_pair
from decoders.vllm_plugin.registry import LONE_TIMEOUT_S, PairRegistry, hand_over, parse_half


class PairArrivals(SchedulerHooks):
    """The requests that are in the engine as pairs; mixed into vLLM's schedulers.

    Attributes:
        registry: the pairs. Complete ones are in vLLM's queues too, lone halves only here.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.registry = PairRegistry()
        # Requests that get an error after this step, and halves whose partner has ended.
        self._failed: dict[str, tuple[Request, str]] = {}
        self._orphans: dict[str, Request] = {}

    def add_request(self, request: Request) -> None:
        """Queue a request; a half waits here for its partner."""
        self._expire()
        try:
            half = parse_half(request)
            if half is None:
                return super().add_request(request)
            check_half(request, self)
            pair = self.registry.join(request, half)
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
        """End requests from outside, also halves that wait for their partner: those are in no queue of vLLM."""
        if isinstance(request_ids, str):
            request_ids = [request_ids]
        ids = None if request_ids is None else set(request_ids)
        for half in list(self.registry.lone()):
            if ids is None or half.request_id in ids:
                self._drop(half.request_id)
        return super().finish_requests(ids, finished_status)

    def get_num_unfinished_requests(self) -> int:
        """vLLM's count, plus refusals that no client has got yet. A lone half is no work."""
        return super().get_num_unfinished_requests() + len(self._failed)

    def on_free(self, request: Request) -> None:
        """A half has ended, so its partner is alone."""
        self._drop(request.request_id)

    def _drop(self, request_id: str) -> None:
        rest = self.registry.leave(request_id)
        self._orphans.pop(request_id, None)
        if rest is not None:
            self._orphans[rest.request_id] = rest

    def _refuse(self, request: Request, reason: str) -> None:
        """Answer a request with an error; a half that waited for it gets the same error."""
        self.registry.counters.num_refused += 1
        self._failed[request.request_id] = (request, reason)
        rest = self.registry.leave(request.request_id) or self.registry.waiting_for(request)
        if rest is not None:
            self.registry.leave(rest.request_id)
            self._failed[rest.request_id] = (rest, reason)

    def _expire(self) -> None:
        now = time.monotonic()
        for half in list(self.registry.lone()):
            pair = self.registry.find(half.request_id)
            if pair is not None and now - pair.since > LONE_TIMEOUT_S:
                self._refuse(half, f"the other half of pair {pair.pair_id!r} did not come in {LONE_TIMEOUT_S:g} s")

    def _fail(self, request: Request, reason: str) -> None:
        """End a running half with an error that gives its client the reason."""
        self._failed[request.request_id] = (request, reason)
        self.finish_requests(request.request_id, RequestStatus.FINISHED_ABORTED)
        self._orphans.pop(request.request_id, None)
