"""Several adapters as one: the weighted sum of their changes, exactly, by putting their ranks side by side.

Adapters over one shared ``A`` take no further rank: their ``B`` add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from rag.generation.adapters.packed import LayerGroup, PackedTensors, Pair, pack

# A group and its weight in the sum.
_Weighted = tuple[LayerGroup, float]


@dataclass(frozen=True)
class Composed:
    """One adapter made of several.

    Attributes:
        tensors: by layer, ``A [R, in]`` and ``B [out, R]``.
        rank: the largest R.
        error: what cutting the rank lost, as a share of the sum's Frobenius norm; 0 when nothing was cut.
    """

    tensors: PackedTensors
    rank: int
    error: float = 0.0


def compose(parts: Sequence[tuple[Mapping[str, Pair], float]], max_rank: int) -> Composed:
    """``sum_i w_i B_i A_i`` as one pair per layer; a part of weight 0 takes no rank.

    The parts may change different layers, with different ranks.

    Args:
        parts: adapters and their weights.
        max_rank: a layer whose ranks add up to more is cut to its largest singular values.

    Source: ours; concatenation of ranks is exact because ``[B_1 B_2] [w_1 A_1; w_2 A_2] = w_1 B_1 A_1 + w_2 B_2 A_2``.
    """
    groups = [(group, weight) for tensors, weight in parts if weight != 0 for group in pack(tensors).groups]
    joined = PackedTensors(tuple(map(_join, _align(groups))))
    if joined.rank <= max_rank:
        return Composed(joined, joined.rank)
    return _recompressed(joined, max_rank)


def sum_ranks(parts: Iterable[PackedTensors]) -> int:
    """The rank of a sum before it is cut: ranks add up by layer."""
    ranks: dict[str, int] = {}
    for group in (group for part in parts for group in part.groups):
        for layer in group.layers:
            ranks[layer] = ranks.get(layer, 0) + group.a.shape[1]
    return max(ranks.values(), default=0)


def _align(groups: Sequence[_Weighted]) -> Iterable[list[_Weighted]]:
    """Groups of the same layers together; where groups share only some layers, layer by layer."""
    by_layers = _by_layers(groups)
    if sum(map(len, by_layers)) > len({layer for layers in by_layers for layer in layers}):
        by_layers = _by_layers([(single, weight) for group, weight in groups for single in group.split()])
    return by_layers.values()


def _by_layers(groups: Sequence[_Weighted]) -> dict[tuple[str, ...], list[_Weighted]]:
    by_layers: dict[tuple[str, ...], list[_Weighted]] = {}
    for group, weight in groups:
        by_layers.setdefault(group.layers, []).append((group, weight))
    return by_layers


def _join(parts: Sequence[_Weighted]) -> LayerGroup:
    first = parts[0][0]
    dtype = reduce(torch.promote_types, (group.a.dtype for group, _ in parts))
    if len(parts) > 1 and all(torch.equal(group.a, first.a) for group, _ in parts[1:]):
        precise = torch.promote_types(dtype, torch.float32)
        summed = torch.stack([group.b.to(precise) * weight for group, weight in parts]).sum(dim=0)
        return LayerGroup(first.layers, first.a, summed.to(dtype))
    a = torch.cat([group.a for group, _ in parts], dim=1).to(dtype)
    start = 0
    for group, weight in parts:
        end = start + group.a.shape[1]
        if weight != 1:
            a[:, start:end] *= weight
        start = end
    return LayerGroup(first.layers, a, torch.cat([group.b for group, _ in parts], dim=2).to(dtype))


def _recompressed(joined: PackedTensors, max_rank: int) -> Composed:
    cut = [(group.layers, truncated(group.a, group.b, max_rank)) for group in joined.groups]
    lost, whole = (sum(energies[part] for _, (_, energies) in cut) for part in (0, 1))
    error = math.sqrt(lost / whole) if whole else 0.0
    return Composed(PackedTensors(tuple(LayerGroup(layers, *pair) for layers, (pair, _) in cut)), max_rank, error)


def truncated(a: Tensor, b: Tensor, max_rank: int) -> tuple[Pair, tuple[float, float]]:
    """The nearest product of rank ``max_rank`` to ``B A``, and the squared norms of what was lost and of the whole.

    QR of the thin factors first: the singular values are those of an ``R x R`` matrix, never of the full product.

    Args:
        a: ``[..., R, in]``.
        b: ``[..., out, R]``.
        max_rank: rank of the result.

    Source: Eckart and Young 1936.
    """
    precise = torch.promote_types(a.dtype, torch.float32)
    if a.shape[-2] <= max_rank:
        return (a, b), (0.0, float((b.to(precise) @ a.to(precise)).square().sum()))
    q_b, r_b = torch.linalg.qr(b.to(precise))
    q_a, r_a = torch.linalg.qr(a.to(precise).mT)
    u, s, v = torch.linalg.svd(r_b @ r_a.mT)
    energy = s.square()
    root = s[..., :max_rank].sqrt()
    pair = (root[..., :, None] * (v[..., :max_rank, :] @ q_a.mT), (q_b @ u[..., :, :max_rank]) * root[..., None, :])
    return pair, (float(energy[..., max_rank:].sum()), float(energy.sum()))
