"""Divergences between streams' next-token distributions.

Shapes: P answers, V tokens of the vocabulary. Everything is row-independent, in nats.
"""

from __future__ import annotations

import torch
from torch import Tensor

LN2 = 0.6931471805599453


def entropy(log_probs: Tensor, probs: Tensor | None = None) -> Tensor:
    """Shannon entropy of each row, ``-sum p ln p``.

    Args:
        log_probs: ``[P, V]`` natural-log probabilities; ``-inf`` marks an excluded token.
        probs: ``[P, V]`` the probabilities, if the caller has them: it saves a pass over the vocabulary.

    Returns:
        ``[P]`` nats.
    """
    probs = log_probs.exp() if probs is None else probs
    # The bound turns 0 * -inf, which would be nan, into 0.
    total: Tensor = -(probs * log_probs.clamp(min=torch.finfo(log_probs.dtype).min)).sum(dim=-1)
    return total


def divergences(context_log_probs: Tensor, parametric_log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Jensen-Shannon divergence of each row and the entropies of both streams, ``[P]`` nats each, in one pass.

    The divergence is ``H(m) - (H(p) + H(q)) / 2`` with ``m = (p + q) / 2``: 0 for equal rows, ln 2 for disjoint
    ones. This form never takes the logarithm of a probability that underflowed.

    Source: AdaCAD (Wang et al. 2024), equation 3.
    """
    p, q = context_log_probs.exp(), parametric_log_probs.exp()
    h_c, h_p = entropy(context_log_probs, p), entropy(parametric_log_probs, q)
    m = (p + q) / 2
    mixed = entropy(m.log(), m)
    return (mixed - (h_c + h_p) / 2).clamp(0.0, LN2), h_c, h_p
