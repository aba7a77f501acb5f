"""The slow, readable twin of the batched engine: one question at a time, two forwards per token.

Written from the papers without a look at ``decoders.rules``: one row, no masks but those of the method, plain
loops over the generated tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

Rule = Callable[[Tensor, Tensor], Tensor]
# The dial's defaults.
PLAUSIBLE, STRENGTH, KNOWS = 0.5, 0.5, 0.2


def plain(z_c: Tensor, z_p: Tensor) -> Tensor:
    return z_c


def memory(z_c: Tensor, z_p: Tensor) -> Tensor:
    return z_p


def cad(alpha: float) -> Rule:
    return lambda z_c, z_p: (1 + alpha) * z_c - alpha * z_p


def adacad(z_c: Tensor, z_p: Tensor) -> Tensor:
    p, q = z_c.softmax(-1), z_p.softmax(-1)
    m = (p + q) / 2
    kl_p = sum_where(p > 0, p * (p / m).log())
    kl_q = sum_where(q > 0, q * (q / m).log())
    alpha = max(0.5 * kl_p + 0.5 * kl_q, 0.0)
    return (1 + alpha) * z_c - alpha * z_p


def ckplug(alpha: float | None, k: int = 10) -> Rule:
    """Released gate (adjust when CG < H_c); ``None`` is the adaptive weight."""

    def rule(z_c: Tensor, z_p: Tensor) -> Tensor:
        keep = head(z_c, k) | head(z_p, k)
        p, q = z_c[keep].softmax(-1), z_p[keep].softmax(-1)
        h_c, h_p = float(-(p * p.log()).sum()), float(-(q * q.log()).sum())
        scores = torch.full_like(z_c, -math.inf)
        if h_p - h_c < h_c:
            weight = h_c / (h_c + h_p) if alpha is None else alpha
            scores[keep] = weight * z_p[keep] + (1 - weight) * (z_c[keep] - z_p[keep])
        else:
            scores[keep] = z_c[keep]
        return scores

    return rule


def coiecd(z_c: Tensor, z_p: Tensor) -> Tensor:
    l_c, l_p = z_c.log_softmax(-1), z_p.log_softmax(-1)
    inside = l_c >= l_c.max() - math.log(4)
    if int(inside.sum()) == 1:
        return l_c
    return torch.where(inside, 2 * l_c - l_p, l_c)


def dial(alpha: float | None, knows: float = KNOWS) -> Rule:
    """Below 0.5 contrast among tokens that the context finds plausible, above it a mean of probabilities."""

    def rule(z_c: Tensor, z_p: Tensor) -> Tensor:
        p, q = z_c.softmax(-1), z_p.softmax(-1)
        agreement = float(p[q.argmax()] / p.max())
        value = 0.5 + 0.5 * knows * agreement if alpha is None else alpha
        if value > 0.5:
            return ((2 - 2 * value) * p + (2 * value - 1) * q).log()
        inside = p >= PLAUSIBLE * p.max()
        ratio = p / q
        ratio = torch.where(inside, ratio, ratio[inside].min())
        return (p * ratio ** (STRENGTH * (1 - 2 * value) * (1 - agreement))).log()

    return rule


def head(z: Tensor, k: int) -> Tensor:
    probs = z.softmax(-1)
    kth = probs.sort(descending=True).values[min(k, len(z)) - 1]
    return probs >= min(float(kth), float(probs.max()) * 0.01)


def sum_where(mask: Tensor, values: Tensor) -> float:
    return float(values[mask].sum())


def generate(
    model: PreTrainedModel,
    context_ids: Sequence[int],
    parametric_ids: Sequence[int],
    rule: Rule,
    max_tokens: int,
    eos: frozenset[int] = frozenset(),
) -> list[int]:
    """Greedy tokens of one answer, end-of-text left out."""
    caches = (DynamicCache(), DynamicCache())
    inputs = [torch.tensor([list(ids)], device=model.device) for ids in (context_ids, parametric_ids)]
    tokens: list[int] = []
    with torch.inference_mode():
        while len(tokens) < max_tokens:
            logits = [
                model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]
                for ids, cache in zip(inputs, caches, strict=True)
            ]
            token = int(rule(*logits).argmax())
            if token in eos:
                break
            tokens.append(token)
            inputs = [torch.tensor([[token]], device=model.device)] * 2
    return tokens
