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
    total: Tensor = torch.special.entr(log_probs.exp()).sum(dim=-1)
    return total


def jensen_shannon(context_log_probs: Tensor, parametric_log_probs: Tensor) -> Tensor:
    """Jensen-Shannon divergence of each row, in nats: 0 (equal) to ln 2 (disjoint).

    Written as ``H(m) - (H(p) + H(q)) / 2`` with ``m = (p + q) / 2``, which never takes the logarithm
    of a probability that underflowed, and is exactly 0 for equal rows.

    Args:
        context_log_probs: ``[P, V]`` natural-log probabilities ``ln p``.
        parametric_log_probs: ``[P, V]`` natural-log probabilities ``ln q``.

    Returns:
        ``[P]`` nats.

    Source: AdaCAD (Wang et al. 2024), equation 3.
    """
    p, q = context_log_probs.exp(), parametric_log_probs.exp()
    entr = torch.special.entr
    mixed = entr((p + q) / 2).sum(dim=-1)
    divergence: Tensor = mixed - (entr(p).sum(dim=-1) + entr(q).sum(dim=-1)) / 2
    return divergence.clamp(0.0, LN2)
