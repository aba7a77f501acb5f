"""Divergences between the two streams' next-token distributions.

Shapes: P pairs, V tokens of the vocabulary. Everything is row-independent, in nats.
"""

from __future__ import annotations

import torch
from torch import Tensor

LN2 = 0.6931471805599453


def entropy(log_probs: Tensor) -> Tensor:
    """Shannon entropy of each row, ``-sum p ln p``.

    Args:
        log_probs: ``[P, V]`` natural-log probabilities; ``-inf`` marks an excluded token.

    Returns:
        ``[P]`` nats.
    """
    return entropy_of(log_probs.exp(), log_probs)


def entropy_of(probs: Tensor, log_probs: Tensor) -> Tensor:
    """:func:`entropy` where both the probabilities and their logarithms are at hand: no transcendental pass."""
    # The bound turns 0 * -inf, which would be nan, into 0.
    total: Tensor = -(probs * log_probs.clamp(min=torch.finfo(log_probs.dtype).min)).sum(dim=-1)
    return total


def jensen_shannon(context_log_probs: Tensor, parametric_log_probs: Tensor) -> Tensor:
    """Jensen-Shannon divergence of each row, in nats: 0 (equal) to ln 2 (disjoint).

    Args:
        context_log_probs: ``[P, V]`` natural-log probabilities ``ln p``.
        parametric_log_probs: ``[P, V]`` natural-log probabilities ``ln q``.

    Returns:
        ``[P]`` nats.

    Source: AdaCAD (Wang et al. 2024), equation 3.
    """
    return divergences(context_log_probs, parametric_log_probs)[0]


def divergences(context_log_probs: Tensor, parametric_log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Jensen-Shannon divergence of each row and the entropies of both streams, ``[P]`` nats each, in one pass.

    Written as ``H(m) - (H(p) + H(q)) / 2`` with ``m = (p + q) / 2``, which never takes the logarithm of a
    probability that underflowed.
    """
    p, q = context_log_probs.exp(), parametric_log_probs.exp()
    h_c, h_p = entropy_of(p, context_log_probs), entropy_of(q, parametric_log_probs)
    m = (p + q) / 2
    mixed = entropy_of(m, m.log())
    return (mixed - (h_c + h_p) / 2).clamp(0.0, LN2), h_c, h_p
