"""Several patches as one adapter: the weighted sum of their changes, exactly, by putting their ranks side by side.

Patches over one shared ``A`` need no further rank: their ``B`` add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rag.generation.transformers.lora import Pair
from rag.patches.base import Tensors


@dataclass(frozen=True)
class Composed:
    """One adapter made of several.

    Attributes:
        tensors: by layer, ``A [R, in]`` and ``B [out, R]``.
        rank: the largest R.
        error: what cutting the rank lost, as a share of the sum's Frobenius norm; 0 when nothing was cut.
    """

    tensors: Tensors
    rank: int
    error: float = 0.0


def compose(parts: Sequence[tuple[Tensors, float]], max_rank: int) -> Composed:
    """``sum_i w_i B_i A_i`` as one pair per layer; a part of weight 0 takes no rank.

    Args:
        parts: adapters and their weights.
        max_rank: a layer whose ranks add up to more is cut to its largest singular values.

    Source: ours; concatenation of ranks is exact because ``[B_1 B_2] [w_1 A_1; w_2 A_2] = w_1 B_1 A_1 + w_2 B_2 A_2``.
    """
    used = [(tensors, weight) for tensors, weight in parts if weight != 0]
    layers = dict.fromkeys(layer for tensors, _ in used for layer in tensors)
    joined = {layer: _joined(layer, used) for layer in layers}
    rank = max((a.shape[0] for a, _ in joined.values()), default=0)
    if rank <= max_rank:
        return Composed(joined, rank)
    return _recompressed(joined, max_rank)


def _joined(layer: str, parts: Sequence[tuple[Tensors, float]]) -> Pair:
    pairs = [(*tensors[layer], weight) for tensors, weight in parts if layer in tensors]
    shared = pairs[0][0]
    if all(a is shared or torch.equal(a, shared) for a, *_ in pairs):
        precise = torch.promote_types(shared.dtype, torch.float32)
        summed = torch.stack([b.to(precise) * weight for _, b, weight in pairs]).sum(dim=0)
        return shared, summed.to(pairs[0][1].dtype)
    return torch.cat([a * weight for a, _, weight in pairs]), torch.cat([b for _, b, _ in pairs], dim=1)


def _recompressed(joined: Mapping[str, Pair], max_rank: int) -> Composed:
    cut = {layer: truncated(*pair, max_rank) for layer, pair in joined.items()}
    lost, whole = (sum(float(energies[part]) for _, energies in cut.values()) for part in (0, 1))
    error = math.sqrt(lost / whole) if whole else 0.0
    return Composed({layer: pair for layer, (pair, _) in cut.items()}, max_rank, error)


def truncated(a: Tensor, b: Tensor, max_rank: int) -> tuple[Pair, tuple[float, float]]:
    """The nearest product of rank ``max_rank`` to ``B A``, and the squared norms of what was lost and of the whole.

    QR of the thin factors first: the singular values are those of an ``R x R`` matrix, never of the full product.

    Source: Eckart and Young 1936.
    """
    if a.shape[0] <= max_rank:
        return (a, b), (0.0, float((b @ a).square().sum()))
    precise = torch.promote_types(a.dtype, torch.float32)
    q_b, r_b = torch.linalg.qr(b.to(precise))
    q_a, r_a = torch.linalg.qr(a.to(precise).mT)
    u, s, v = torch.linalg.svd(r_b @ r_a.mT)
    energy = s.square()
    root = s[:max_rank].sqrt()
    pair = (root[:, None] * (v[:max_rank] @ q_a.mT), (q_b @ u[:, :max_rank]) * root)
    return pair, (float(energy[max_rank:].sum()), float(energy.sum()))
