"""Samples as rows of tokens. Samples of one document that share a beginning are packed into one row.

    ids        <shared prompt>     q1 ... a1 <end>  q2 ... a2 <end>
    block       0 0 0 0 0 0 0 0    1 1 1  1    1    2 2 2  2    2
    position    0 1 2 3 4 5 6 7    8 9 10 11  12    8 9 10 11  12

A token sees the shared beginning and its own block: the loss equals that of separate rows, token by token, and the
beginning (chat template, instruction) is computed once instead of once per sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

IGNORED = -100


@dataclass(frozen=True)
class Tokens:
    """One sample: its token ids, and the index of the first one that is learnt."""

    ids: tuple[int, ...]
    first_learnt: int

    @property
    def num_learnt(self) -> int:
        """Tokens that are learnt."""
        return len(self.ids) - self.first_learnt


@dataclass(frozen=True)
class Pack:
    """A row: token ids, their positions and blocks, and the label of each (what follows it, or ``IGNORED``)."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    blocks: tuple[int, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)


def pack(samples: Sequence[Tokens], max_tokens: int) -> list[Pack]:
    """Samples in order, as many to a row as fit ``max_tokens``; 0 gives each its own row."""
    packs: list[list[Tokens]] = []
    for sample in samples:
        if packs and _packed_length([*packs[-1], sample]) <= max_tokens:
            packs[-1].append(sample)
        else:
            packs.append([sample])
    return [_joined(group) for group in packs]


def _shared(group: Sequence[Tokens]) -> int:
    """Tokens that all samples of a row begin with, and that none of them learns."""
    if len(group) == 1:
        return 0
    columns = zip(*(sample.ids for sample in group), strict=False)
    num_equal = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return min(num_equal, *(sample.first_learnt - 1 for sample in group))


def _packed_length(group: Sequence[Tokens]) -> int:
    shared = _shared(group)
    return shared + sum(len(sample.ids) - shared for sample in group)


def _joined(group: Sequence[Tokens]) -> Pack:
    shared = _shared(group)
    ids = list(group[0].ids[:shared])
    positions, blocks, labels = list(range(shared)), [0] * shared, [IGNORED] * shared
    for block, sample in enumerate(group, start=1):
        ids += sample.ids[shared:]
        positions += range(shared, len(sample.ids))
        blocks += [block] * (len(sample.ids) - shared)
        following = [IGNORED if place < sample.first_learnt else token for place, token in enumerate(sample.ids)]
        labels += [*following[shared + 1 :], IGNORED]
    return Pack(tuple(ids), tuple(positions), tuple(blocks), tuple(labels))


@dataclass(frozen=True)
class Batch:
    """Rows of K documents: ``ids``, ``positions``, ``labels [K, T]`` and ``mask [K, 1, T, T]``, True = attend."""

    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: Tensor


def pad_packs(packs: Sequence[Pack], device: torch.device) -> Batch:
    """Rows as one batch, padded on the right to the longest of them."""
    length = max(map(len, packs))

    def table(rows: list[tuple[int, ...]], filler: int) -> Tensor:
        return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows], device=device)

    blocks = table([p.blocks for p in packs], -1)
    is_same = blocks[:, :, None] == blocks[:, None, :]
    is_shared = (blocks == 0)[:, None, :]
    is_past = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    mask = (is_same | is_shared) & is_past
    return Batch(
        table([p.ids for p in packs], 0),
        table([p.positions for p in packs], 0),
        table([p.labels for p in packs], IGNORED),
        mask[:, None],
    )
