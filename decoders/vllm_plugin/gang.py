"""The book of pairs that a scheduler keeps: who belongs to whom, who waits for its other half, what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from decoders.pairing import KEY, Half, PairError, Role
from decoders.sampling import Draw

if TYPE_CHECKING:
    from vllm.v1.request import Request

# How long one half waits for the other, seconds.
LONE_TIMEOUT_S = 60.0
# What two halves of one answer must have in common, beside decoder and sampling.
_ENDINGS = ("max_tokens", "stop", "stop_token_ids", "ignore_eos")
_DRAWS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")


@dataclass(eq=False)
class Pair:
    """Two requests of one answer.

    Attributes:
        wants_trace: the client asked for the trace (through the context half's ``logprobs``).
        since: when the first half came, seconds of the monotonic clock.
    """

    pair_id: str
    halves: dict[Role, Request] = field(default_factory=dict)
    wants_trace: bool = False
    since: float = field(default_factory=time.monotonic)

    @property
    def is_complete(self) -> bool:
        return len(self.halves) == 2

    def in_order(self) -> list[Request]:
        """The context half, then the parametric one."""
        return [self.halves[role] for role in ("context", "parametric") if role in self.halves]


@dataclass
class Counters:
    """What the scheduler did, since it started."""

    num_pairs: int = 0
    num_redone: int = 0
    num_held: int = 0
    num_chunked: int = 0
    num_preempted: int = 0
    num_refused: int = 0
    num_orphaned: int = 0


class Gang:
    """Pairs by id and by request."""

    def __init__(self) -> None:
        self._pairs: dict[str, Pair] = {}
        self._of: dict[str, Pair] = {}
        self.counters = Counters()

    def __len__(self) -> int:
        return len(self._pairs)

    def pair_of(self, request_id: str) -> Pair | None:
        """The pair that a request is half of."""
        return self._of.get(request_id)

    def partner(self, request: Request) -> Request | None:
        """The other half, if it has come and not gone."""
        pair = self._of.get(request.request_id)
        others = [half for half in pair.halves.values() if half is not request] if pair else []
        return others[0] if others else None

    def lone(self) -> Iterator[Request]:
        """Halves that wait for their other one."""
        for pair in self._pairs.values():
            if not pair.is_complete:
                yield from pair.halves.values()

    def waiting_for(self, request: Request) -> Request | None:
        """The lone half whose other half ``request`` says it is."""
        try:
            half = half_of(request)
        except PairError:
            return None
        pair = self._pairs.get(half.pair_id) if half else None
        if half is None or pair is None or pair.is_complete or half.role in pair.halves:
            return None
        return next(iter(pair.halves.values()))

    def join(self, request: Request, half: Half) -> Pair:
        """Enter a half.

        Raises:
            PairError: the id is in use, or the halves do not fit together.
        """
        pair = self._pairs.get(half.pair_id) or Pair(half.pair_id)
        if half.role in pair.halves or pair.is_complete:
            raise PairError(f"pair id {half.pair_id!r} is in use; give each answer its own")
        for other in pair.halves.values():
            _check_alike(other, request, half)
        pair.halves[half.role] = request
        if half.role == "context":
            assert request.sampling_params is not None
            pair.wants_trace = request.sampling_params.logprobs is not None
        self._pairs[half.pair_id] = self._of[request.request_id] = pair
        self.counters.num_pairs += pair.is_complete
        return pair

    def leave(self, request_id: str) -> Request | None:
        """A half is over; returns the other one if that is still there."""
        pair = self._of.pop(request_id, None)
        if pair is None:
            return None
        pair.halves = {role: half for role, half in pair.halves.items() if half.request_id != request_id}
        if not pair.halves:
            self._pairs.pop(pair.pair_id, None)
        return next(iter(pair.halves.values()), None)


def half_of(request: Request) -> Half | None:
    """The half that a request says it is.

    Raises:
        PairError: it says so in a way that nothing can be made of.
    """
    return None if request.sampling_params is None else Half.of(request.sampling_params.extra_args)


def hand_over(request: Request) -> None:
    """Take the choice of tokens from vLLM's sampler and give it to the pair.

    The worker sees a greedy request without penalties, whose logits the processor forces; how to draw goes with it
    in the half. Log probabilities of the streams are part of the trace, so vLLM need not compute them.
    """
    params, half = request.sampling_params, half_of(request)
    assert params is not None
    assert half is not None
    seed = params.seed if params.seed is not None else hash_of(half.pair_id)
    draw = Draw(**{name: getattr(params, name) for name in _DRAWS}, seed=seed)
    plain = params.clone()
    plain.temperature, plain.top_k, plain.top_p, plain.min_p, plain.seed = 0.0, 0, 1.0, 0.0, None
    plain.repetition_penalty, plain.presence_penalty, plain.frequency_penalty = 1.0, 0.0, 0.0
    plain.logprobs = None
    plain.extra_args = {**(params.extra_args or {}), KEY: half.with_draw(draw).to_text()}
    request.sampling_params = plain


def hash_of(text: str) -> int:
    """A whole number that is the same in every process (Python's own hash is not)."""
    return int.from_bytes(text.encode()[-16:], "big")


def _check_alike(one: Request, other: Request, half: Half) -> None:
    a, b, held = one.sampling_params, other.sampling_params, half_of(one)
    assert a is not None
    assert b is not None
    assert held is not None
    if held.params != half.params:
        raise PairError(f"the halves of pair {half.pair_id!r} name different decoders; give both the same")
    for name in (*_ENDINGS, *_DRAWS, "seed"):
        x, y = getattr(a, name), getattr(b, name)
        if x != y:
            raise PairError(f"the halves of pair {half.pair_id!r} differ in {name}: {x!r}, {y!r}; give both the same")
