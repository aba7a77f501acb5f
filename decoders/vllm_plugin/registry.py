"""The pairs that a scheduler knows: which requests belong together, which wait for their partner, what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from decoders.pairing import KEY, Half, PairError, Role
from decoders.sampling import Draw

if TYPE_CHECKING:
    from decoders.vllm_plugin.compat import Request

# Longest wait of one half for the other, seconds.
LONE_TIMEOUT_S = 60.0
# What the halves of one answer must have in common, besides the decoder and the grammar: what ends them and how they
# draw.
_ENDINGS = ("max_tokens", "stop", "stop_token_ids", "ignore_eos")
_DRAWS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")


@dataclass(eq=False)
class Pair:
    """Two requests of one answer.

    Attributes:
        wants_trace: the client asked for the trace (through the context half's ``logprobs``).
        since: arrival of the first half, seconds of the monotonic clock.
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
    """What the scheduler did since it started."""

    num_pairs: int = 0
    num_redone: int = 0
    num_held: int = 0
    num_chunked: int = 0
    num_preempted: int = 0
    num_refused: int = 0
    num_orphaned: int = 0


class PairRegistry:
    """Pairs by id and by request."""

    def __init__(self) -> None:
        self._pairs: dict[str, Pair] = {}
        self._by_request: dict[str, Pair] = {}
        self.counters = Counters()

    def __len__(self) -> int:
        return len(self._pairs)

    def find(self, request_id: str) -> Pair | None:
        """The pair that a request is half of."""
        return self._by_request.get(request_id)

    def partner(self, request: Request) -> Request | None:
        """The other half, if it is here."""
        pair = self._by_request.get(request.request_id)
        return next((half for half in pair.halves.values() if half is not request), None) if pair else None

    def lone(self) -> Iterator[Request]:
        """Halves that wait for their partner."""
        for pair in self._pairs.values():
            if not pair.is_complete:
                yield from pair.halves.values()

    def waiting_for(self, request: Request) -> Request | None:
        """The lone half that ``request`` claims as its partner."""
        try:
            half = parse_half(request)
        except PairError:
            return None
        pair = self._pairs.get(half.pair_id) if half else None
        if half is None or pair is None or pair.is_complete or half.role in pair.halves:
            return None
        return next(iter(pair.halves.values()))

    def join(self, request: Request, half: Half) -> Pair:
        """Add a half.

        Raises:
            PairError: the id is in use, or the halves do not fit together.
        """
        pair = self._pairs.get(half.pair_id) or Pair(half.pair_id)
        if half.role in pair.halves or pair.is_complete:
            raise PairError(f"pair id {half.pair_id!r} is in use; give each answer its own")
        for other in pair.halves.values():
            _check_match(other, request, half)
        pair.halves[half.role] = request
        if half.role == "context":
            assert request.sampling_params is not None
            pair.wants_trace = request.sampling_params.logprobs is not None
        self._pairs[half.pair_id] = self._by_request[request.request_id] = pair
        self.counters.num_pairs += pair.is_complete
        return pair

    def leave(self, request_id: str) -> Request | None:
        """Remove a half that is over; returns its partner if that is still here."""
        pair = self._by_request.pop(request_id, None)
        if pair is None:
            return None
        pair.halves = {role: half for role, half in pair.halves.items() if half.request_id != request_id}
        if not pair.halves:
            self._pairs.pop(pair.pair_id, None)
        return next(iter(pair.halves.values()), None)


def parse_half(request: Request) -> Half | None:
    """The half that a request claims to be; ``None`` for an ordinary request.

    Raises:
        PairError: the claim cannot be understood.
    """
    return None if request.sampling_params is None else Half.from_extra_args(request.sampling_params.extra_args)


def hand_over(request: Request) -> None:
    """Take the choice of tokens from vLLM's sampler and give it to the pair.

    The worker sees a greedy request without penalties, whose logits the processor forces; the half carries how to
    draw. Log-probabilities of the streams are part of the trace, so vLLM need not compute them.
    """
    params, half = request.sampling_params, parse_half(request)
    assert params is not None
    assert half is not None
    seed = params.seed if params.seed is not None else seed_from_pair_id(half.pair_id)
    draw = Draw(**{name: getattr(params, name) for name in _DRAWS}, seed=seed, forced=half.forced)
    plain = params.clone()
    plain.temperature, plain.top_k, plain.top_p, plain.min_p, plain.seed = 0.0, 0, 1.0, 0.0, None
    plain.repetition_penalty, plain.presence_penalty, plain.frequency_penalty = 1.0, 0.0, 0.0
    plain.logprobs = None
    plain.extra_args = {**(params.extra_args or {}), KEY: half.with_draw(draw).to_text()}
    request.sampling_params = plain


def seed_from_pair_id(pair_id: str) -> int:
    """A seed of 64 bits from the whole id, the same in every process (Python's own hash is not)."""
    return int.from_bytes(blake2b(pair_id.encode(), digest_size=8).digest(), "big")


def _check_match(one: Request, other: Request, half: Half) -> None:
    a, b, first = one.sampling_params, other.sampling_params, parse_half(one)
    assert a is not None
    assert b is not None
    assert first is not None
    if first.params != half.params:
        raise PairError(f"the halves of pair {half.pair_id!r} name different decoders; give both the same")
    for name in (*_ENDINGS, *_DRAWS, "seed", "structured_outputs"):
        x, y = getattr(a, name), getattr(b, name)
        if x != y:
            raise PairError(f"the halves of pair {half.pair_id!r} differ in {name}: {x!r}, {y!r}; give both the same")
