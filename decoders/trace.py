"""The trace of one step of one answer: what the conflict report learns from the decoder, as a row of numbers.

The numbers are the divergence, then four for each stream: coefficient, entropy, best token and log-probability of the
chosen token. An engine with its own channel for log-probabilities (vLLM has one) carries them there: the entries
of a position are these numbers, in this order, under token ids that are placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from decoders.rules import Mixture
from decoders.streams import PAIR


class StreamTrace(NamedTuple):
    """What one stream said at one token.

    Attributes:
        coefficient: the factor on its logits (see :class:`decoders.rules.Mixture`).
        entropy: nats, whole vocabulary.
        top: its own best token, an id.
        logprob: what it gave the chosen token.
    """

    coefficient: float
    entropy: float
    top: int
    logprob: float


_WIDTH = len(StreamTrace._fields)


@dataclass(frozen=True)
class StepTrace:
    """What the streams said at one token.

    Attributes:
        jsd: divergence of context and parametric stream, nats; nan without both of them.
        streams: by name, in the order of the numbers.
    """

    jsd: float
    streams: Mapping[str, StreamTrace]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float], streams: Sequence[str] = PAIR) -> StepTrace:
        """From a row of :func:`trace_rows`. A row of another length is no trace: the result is broken."""
        size = trace_size(len(streams))
        if len(numbers) != size:
            numbers = [-1.0] * size
        jsd, *rest = numbers
        parts = [rest[start : start + _WIDTH] for start in range(0, len(rest), _WIDTH)]
        traces = [StreamTrace(a, entropy, int(top), logprob) for a, entropy, top, logprob in parts]
        return cls(jsd, dict(zip(streams, traces, strict=True)))

    def to_numbers(self) -> list[float]:
        """The row of numbers; inverse of :meth:`from_numbers`."""
        return [self.jsd, *(float(number) for stream in self.streams.values() for number in stream)]

    @property
    def is_broken(self) -> bool:
        """Whether this is no trace: :func:`broken_trace`, or log-probabilities of an engine without the plugin.

        Those are never above 0, and entropies never below.
        """
        return self.jsd < 0 or any(not stream.entropy >= 0 for stream in self.streams.values())

    def entries(self, token_id: int) -> tuple[list[int], list[float]]:
        """Ids and values of a position's log-probability entries: the chosen token's, then the numbers.

        The placeholders are the smallest ids that are not the token: entries of equal ids would become one.
        """
        numbers = self.to_numbers()
        placeholders = [i for i in range(len(numbers) + 1) if i != token_id][: len(numbers)]
        return [token_id, *placeholders], [next(iter(self.streams.values())).logprob, *numbers]


def trace_size(num_streams: int) -> int:
    """Numbers of a trace."""
    return 1 + _WIDTH * num_streams


# Of a pair of streams, which is what vLLM runs.
TRACE_SIZE = trace_size(len(PAIR))


def trace_rows(mixture: Mixture, token_ids: Tensor, tops: Mapping[str, Tensor] | None = None) -> Tensor:
    """``[P, 1 + 4 S]`` float32 traces of a mixture of S streams whose chosen tokens are ``token_ids`` (``[P]``).

    ``tops`` are the streams' best tokens by name (``[P]`` each), if the caller has them. Token ids are exact in
    float32 up to 16.7 million.
    """
    signals, chosen = mixture.signals, token_ids[:, None]
    columns = [signals.jsd]
    for name, log_probs in signals.log_probs.items():
        top = log_probs.argmax(dim=-1) if tops is None else tops[name]
        logprob = log_probs.gather(1, chosen)[:, 0]
        columns += [mixture.coefficients[name], signals.entropies[name], top, logprob]
    return torch.stack([column.float() for column in columns], dim=1)


def broken_trace(num_streams: int = len(PAIR)) -> Tensor:
    """``[1 + 4 S]`` the trace of an answer whose streams were out of step; such an answer must fail."""
    return torch.full((trace_size(num_streams),), -1.0)
