"""The decoding rules: two streams' logits in, one row of scores out.

Every rule has the form ``s = tau z_c + (1 - tau) z_p``, with ``z_c`` the logits with the context in the
prompt, ``z_p`` those without it, and a ``tau`` that the rule chooses at each step. Pure functions of tensors:
no model, no engine. Row-independent: a pair's scores do not depend on its batch mates.

Shapes: P pairs, V tokens of the vocabulary, K tokens in the head of a stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from decoders.divergence import LN2, divergences, entropy
from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Memory, Plain


@dataclass(frozen=True)
class Mixture:
    """What a rule made of P pairs.

    Attributes:
        scores: ``[P, V]`` logits to choose the next token from; ``-inf`` marks an excluded token.
        weight: ``[P]`` the decoder's own alpha at this step. For plain, cad, adacad and coiecd it is the
            contrast (0 = none); for ckplug and memory the share of memory (0.5 = none, 1 = memory only).
        jsd: ``[P]`` Jensen-Shannon divergence of the streams, nats.
        context_entropy: ``[P]`` entropy of the context stream, nats, whole vocabulary.
        parametric_entropy: ``[P]`` entropy of the parametric stream, nats, whole vocabulary.
        context_log_probs, parametric_log_probs: ``[P, V]`` the streams' own distributions.
    """

    scores: Tensor
    weight: Tensor
    jsd: Tensor
    context_entropy: Tensor
    parametric_entropy: Tensor
    context_log_probs: Tensor
    parametric_log_probs: Tensor


def mix(context_logits: Tensor, parametric_logits: Tensor, params: DecoderParams) -> Mixture:
    """Apply one decoding rule to P pairs.

    Args:
        context_logits: ``[P, V]`` next-token logits with the context in the prompt.
        parametric_logits: ``[P, V]`` next-token logits without it, after the same generated suffix.
        params: the rule and its settings, shared by all P pairs.

    Returns:
        The scores and the divergences computed on the way, in float32 (float64 for float64 input).

    Raises:
        ValueError: the two tensors differ in shape or are not two-dimensional.
    """
    if context_logits.ndim != 2 or context_logits.shape != parametric_logits.shape:
        raise ValueError(
            f"expected two [P, V] tensors of one shape, got {tuple(context_logits.shape)} "
            f"and {tuple(parametric_logits.shape)}"
        )
    z_c, z_p = _at_least_float32(context_logits), _at_least_float32(parametric_logits)
    l_c, l_p = z_c.log_softmax(dim=-1), z_p.log_softmax(dim=-1)
    jsd, h_c, h_p = divergences(l_c, l_p)
    match params:
        case Plain():
            scores, weight = z_c, torch.zeros_like(jsd)
        case Memory():
            scores, weight = z_p, torch.ones_like(jsd)
        case Cad(alpha=alpha):
            weight = torch.full_like(jsd, alpha)
            scores = contrast(z_c, z_p, weight)
        case AdaCad():
            weight = adacad_weight(jsd, params)
            scores = contrast(z_c, z_p, weight)
        case CkPlug():
            scores, weight = ckplug(z_c, z_p, l_c, l_p, params)
        case Coiecd():
            scores, weight = coiecd(l_c, l_p, params)
    return Mixture(scores, weight, jsd, h_c, h_p, l_c, l_p)


def contrast(context_logits: Tensor, parametric_logits: Tensor, alpha: Tensor) -> Tensor:
    """``(1 + alpha) z_c - alpha z_p`` with one ``alpha`` per row (``[P]``).

    Source: CAD (Shi et al. 2023), equation 2, without the nucleus fill of the released program.
    """
    # lerp form: one pass over [P, V], and exactly z_c where alpha is 0.
    return context_logits + alpha[:, None] * (context_logits - parametric_logits)


def adacad_weight(jsd: Tensor, params: AdaCad) -> Tensor:
    """The contrast of each row, ``max(JSD, floor)``; ``jsd`` in nats, the result in ``params.log_base`` units.

    Source: AdaCAD (Wang et al. 2024), equations 3 and 4.
    """
    scaled = jsd / LN2 if params.log_base == "2" else jsd
    return scaled.clamp(min=params.floor)


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

    The released program takes ``ln(P + 1e-9)``; its profile follows it.
    """
    kept = log_probs.masked_fill(~keep, -math.inf).log_softmax(dim=-1)
    if params.profile == "paper":
        return entropy(kept)
    probs = kept.exp()
    return -(probs * (probs + 1e-9).log()).sum(dim=-1)


def ckplug_is_open(context_entropy: Tensor, parametric_entropy: Tensor, params: CkPlug) -> Tensor:
    """``[P]`` whether the context lowered the model's confidence enough to adjust the token.

    With confidence gain ``CG = H_p - H_c``: the paper's gate is ``CG < epsilon`` in bits; the released
    program's is ``CG + epsilon |H_c| < 0``.

    Source: CK-PLUG (Bi et al. 2025), equations 4 and 5.
    """
    gain = parametric_entropy - context_entropy
    if params.profile == "paper":
        return gain / LN2 < params.threshold
    return gain + params.threshold * context_entropy.abs() < 0


def ckplug(z_c: Tensor, z_p: Tensor, l_c: Tensor, l_p: Tensor, params: CkPlug) -> tuple[Tensor, Tensor]:
    """CK-PLUG: ``alpha z_p + (1 - alpha)(z_c - z_p)`` where the gate is open, ``z_c`` elsewhere.

    Only tokens in the head of either stream stay; the others get ``-inf``.

    Returns:
        ``[P, V]`` scores and ``[P]`` weights (0.5, which is plain decoding, where the gate is shut).

    Source: CK-PLUG (Bi et al. 2025), equations 6 to 8.
    """
    keep = head_mask(l_c, params.num_head, params.min_ratio) | head_mask(l_p, params.num_head, params.min_ratio)
    h_c, h_p = kept_entropy(l_c, keep, params), kept_entropy(l_p, keep, params)
    is_open = ckplug_is_open(h_c, h_p, params)
    alpha, scale = ckplug_weight(h_c, h_p, params)
    adjusted = scale[:, None] * (alpha[:, None] * z_p + (1 - alpha)[:, None] * (z_c - z_p))
    scores = torch.where(is_open[:, None], adjusted, z_c)
    return scores.masked_fill(~keep, -math.inf), torch.where(is_open, alpha, 0.5)


def ckplug_weight(context_entropy: Tensor, parametric_entropy: Tensor, params: CkPlug) -> tuple[Tensor, Tensor]:
    """The share of memory of each row and the factor on its scores, both ``[P]``.

    Adaptive: ``alpha = H_c / (H_c + H_p)``. The factor is 1 but for the released program's adaptive mode,
    where ``2 H / (H_c + H_p nf)`` with ``H = H_c + H_p`` and ``nf = 2 max(H_c, H_p) / H`` sharpens the
    distribution; it cannot change a greedy choice.

    Source: CK-PLUG (Bi et al. 2025), equation 8; the factor from its released program's behaviour.
    """
    if params.alpha != "auto":
        return torch.full_like(context_entropy, params.alpha), torch.ones_like(context_entropy)
    total = (context_entropy + parametric_entropy).clamp(min=torch.finfo(context_entropy.dtype).tiny)
    # Two streams without any doubt share the weight equally, which is plain decoding.
    alpha = torch.where(context_entropy + parametric_entropy > 0, context_entropy / total, 0.5)
    if params.profile == "paper":
        return alpha, torch.ones_like(alpha)
    factor = 1 + (2 * alpha - 1).abs()  # nf; H_p / H = 1 - alpha
    return alpha, 2 / (alpha + (1 - alpha) * factor)


def coiecd(l_c: Tensor, l_p: Tensor, params: Coiecd) -> tuple[Tensor, Tensor]:
    """COIECD: contrast ``l_c + alpha (l_c - l_p)`` inside the constraint, ``l_c`` outside.

    The variant is the released program's, in which the entropy term of the paper's constraint cancels:
    inside are the tokens within ``ratio`` of the best context token (unless the best stands alone), and
    likewise those within ``ratio`` of the worst, which never matter to the choice of a token.

    Returns:
        ``[P, V]`` scores and ``[P]`` weights (0 where only the best token was inside).

    Source: COIECD (Yuan et al. 2024), released variant.
    """
    margin = math.log(params.ratio)
    top = l_c >= l_c.amax(dim=-1, keepdim=True) - margin
    has_rivals = top.sum(dim=-1) > 1
    bottom = l_c <= l_c.amin(dim=-1, keepdim=True) + margin
    inside = (top & has_rivals[:, None]) | bottom
    scores = torch.where(inside, l_c + params.alpha * (l_c - l_p), l_c)
    return scores, torch.where(has_rivals, params.alpha, 0.0).to(l_c.dtype)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
