"""CK-PLUG: adjust only the steps at which the context lowers the model's confidence.

Source: CK-PLUG (Bi et al. 2025). Shapes: P answers, V tokens of the vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from decoders.divergence import LN2, entropy
from decoders.params import CkPlug
from decoders.signals import Signals
from decoders.streams import CONTEXT, PARAMETRIC


def ckplug(params: CkPlug, signals: Signals) -> tuple[Tensor, dict[str, Tensor]]:
    """``scale (alpha z_p + (1 - alpha)(z_c - z_p))`` where the gate is open, ``z_c`` where it is shut.

    Only tokens in the head of either stream stay; the others get ``-inf``.

    Returns:
        ``[P, V]`` scores, and by stream ``[P]`` coefficients.

    Source: CK-PLUG (Bi et al. 2025), equations 6 to 8.
    """
    z_c, z_p = signals.logits[CONTEXT], signals.logits[PARAMETRIC]
    l_c, l_p = signals.log_probs[CONTEXT], signals.log_probs[PARAMETRIC]
    keep = head_mask(l_c, params.num_head, params.min_ratio) | head_mask(l_p, params.num_head, params.min_ratio)
    h_c, h_p = kept_entropy(l_c, keep, params), kept_entropy(l_p, keep, params)
    is_open = gate_is_open(h_c, h_p, params)
    alpha, scale = memory_share(h_c, h_p, params)
    adjusted = scale[:, None] * (alpha[:, None] * z_p + (1 - alpha)[:, None] * (z_c - z_p))
    scores = torch.where(is_open[:, None], adjusted, z_c).masked_fill(~keep, -math.inf)
    coefficients = {
        CONTEXT: torch.where(is_open, scale * (1 - alpha), 1.0),
        PARAMETRIC: torch.where(is_open, scale * (2 * alpha - 1), 0.0),
    }
    return scores, coefficients


def head_mask(log_probs: Tensor, num_head: int, min_ratio: float) -> Tensor:
    """``[P, V]`` mask of a stream's head: its ``num_head`` best tokens, or all above ``min_ratio`` of the best.

    The larger of the two sets, i.e. the lower of the two thresholds.

    Source: CK-PLUG (Bi et al. 2025), section 3.2.
    """
    best = log_probs.topk(min(num_head, log_probs.shape[-1]), dim=-1).values
    relative = best[:, 0] + (math.log(min_ratio) if min_ratio > 0 else -math.inf)
    return log_probs >= torch.minimum(best[:, -1], relative)[:, None]


def kept_entropy(log_probs: Tensor, keep: Tensor, params: CkPlug) -> Tensor:
    """Entropy (``[P]``, nats) of each row renormalised over the tokens that ``keep`` marks.

    The released program takes ``ln(P + 1e-9)``; its profile does the same.
    """
    renormalised = log_probs.masked_fill(~keep, -math.inf).log_softmax(dim=-1)
    if params.profile == "paper":
        return entropy(renormalised)
    probs = renormalised.exp()
    return -(probs * (probs + 1e-9).log()).sum(dim=-1)


def gate_is_open(context_entropy: Tensor, parametric_entropy: Tensor, params: CkPlug) -> Tensor:
    """``[P]`` whether the context lowered the model's confidence enough to adjust the token.

    With confidence gain ``CG = H_p - H_c``: the paper's gate is ``CG < epsilon`` in bits; the released
    program's is ``CG + epsilon |H_c| < 0``.

    Source: CK-PLUG (Bi et al. 2025), equations 4 and 5.
    """
    gain = parametric_entropy - context_entropy
    if params.profile == "paper":
        return gain / LN2 < params.threshold
    return gain + params.threshold * context_entropy.abs() < 0


def memory_share(context_entropy: Tensor, parametric_entropy: Tensor, params: CkPlug) -> tuple[Tensor, Tensor]:
    """``alpha``, the share of memory of each row, and the scale of its scores, both ``[P]``.

    Adaptive: ``alpha = H_c / (H_c + H_p)``. The scale is 1 except in the released program's adaptive mode. There
    ``2 H / (H_c + H_p nf)`` with ``H = H_c + H_p`` and ``nf = 2 max(H_c, H_p) / H`` sharpens the distribution; it
    cannot change a greedy choice.

    Source: CK-PLUG (Bi et al. 2025), equation 8; the scale from its released program's behaviour.
    """
    if params.alpha != "auto":
        return torch.full_like(context_entropy, params.alpha), torch.ones_like(context_entropy)
    total = (context_entropy + parametric_entropy).clamp(min=torch.finfo(context_entropy.dtype).tiny)
    # Two streams without any doubt share equally, so a greedy choice is the context's.
    alpha = torch.where(context_entropy + parametric_entropy > 0, context_entropy / total, 0.5)
    if params.profile == "paper":
        return alpha, torch.ones_like(alpha)
    factor = 1 + (2 * alpha - 1).abs()  # nf; H_p / H = 1 - alpha
    return alpha, 2 / (alpha + (1 - alpha) * factor)
