"""The trace of one step of one pair: eight numbers that travel from the decoder to the conflict report.

Where an engine has a channel of its own for log probabilities (vLLM has), a pair's trace travels in it: the entries
of a position are the numbers below, in this order, under token ids that are placeholders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from decoders.rules import Mixture


@dataclass(frozen=True)
class StepTrace:
    """What both streams said at one token; divergence and entropies in nats.

    Attributes:
        weight: the decoder's alpha (see :class:`decoders.rules.Mixture`).
        context_top, parametric_top: each stream's own best token, an id.
        context_logprob, parametric_logprob: what each stream gave the chosen token.
    """

    weight: float
    jsd: float
    context_entropy: float
    parametric_entropy: float
    context_top: int
    parametric_top: int
    context_logprob: float
    parametric_logprob: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> StepTrace:
        """From a row of :func:`trace_of`."""
        weight, jsd, h_c, h_p, top_c, top_p, logprob_c, logprob_p = numbers
        return cls(weight, jsd, h_c, h_p, int(top_c), int(top_p), logprob_c, logprob_p)

    @property
    def is_broken(self) -> bool:
        """Whether this is no trace of a pair in step: :func:`broken_trace`, or ordinary log probabilities, which an
        engine without the scheduler sends in its place."""
        return not 0 <= self.jsd <= 1

    def entries(self, token_id: int) -> tuple[list[int], list[float]]:
        """Ids and values of a position's log-probability entries: the chosen token's, then the eight numbers.

        The placeholders are the smallest ids that are not the token: entries of equal ids would become one.
        """
        placeholders = [i for i in range(TRACE_SIZE + 1) if i != token_id][:TRACE_SIZE]
        return [token_id, *placeholders], [self.context_logprob, *map(float, astuple(self))]


TRACE_SIZE = len(StepTrace.__dataclass_fields__)


def trace_of(mixture: Mixture, token_ids: Tensor, tops: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """``[P, 8]`` float32 traces of a mixture whose chosen tokens are ``token_ids`` (``[P]``).

    ``tops`` are the best tokens of the context and of the parametric stream (``[P]`` each), where they are known.
    Token ids are exact in float32 up to 16.7 million.
    """
    l_c, l_p = mixture.context_log_probs, mixture.parametric_log_probs
    chosen = token_ids[:, None]
    context_top, parametric_top = tops or (l_c.argmax(dim=-1), l_p.argmax(dim=-1))
    columns = (
        mixture.weight,
        mixture.jsd,
        mixture.context_entropy,
        mixture.parametric_entropy,
        context_top,
        parametric_top,
        l_c.gather(1, chosen)[:, 0],
        l_p.gather(1, chosen)[:, 0],
    )
    return torch.stack([column.float() for column in columns], dim=1)


def broken_trace() -> Tensor:
    """``[8]`` the trace of a pair whose halves were out of step; such an answer must fail."""
    return torch.full((TRACE_SIZE,), math.nan)
