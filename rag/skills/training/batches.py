"""Examples of mixed lengths as batches of about equally many tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rag.patches.training.packing import IGNORED, Tokens

# Batches are cut from this many examples sorted by length: little filling, and still a random order.
_WINDOW = 2048


@dataclass(frozen=True)
class Padded:
    """Rows of one step: ``ids [N, T]``, and ``labels [N, T]``: what follows each token, or ``IGNORED``."""

    ids: Tensor
    labels: Tensor


def plan_batches(lengths: Sequence[int], max_tokens: int, seed: int) -> list[list[int]]:
    """Which examples go into which step; every example once. An example that is longer than a step has its own."""
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    plan: list[list[int]] = []
    for start in range(0, len(order), _WINDOW):
        batches = _cut(sorted(order[start : start + _WINDOW], key=lambda index: lengths[index]), lengths, max_tokens)
        rng.shuffle(batches)
        plan += batches
    return plan


def _cut(order: Sequence[int], lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Examples, short ones first, cut where the next one would fill a batch beyond its size."""
    batches: list[list[int]] = [[]]
    for index in order:
        if batches[-1] and lengths[index] * (len(batches[-1]) + 1) > max_tokens:
            batches.append([])
        batches[-1].append(index)
    return batches


def pad(examples: Sequence[Tokens], device: torch.device) -> Padded:
    """Examples filled on the right. Under causal attention nothing sees the filling, so no mask is needed."""
    length = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), length, dtype=torch.long)
    labels = torch.full((len(examples), length), IGNORED)
    for row, example in enumerate(examples):
        tokens = torch.tensor(example.ids)
        ids[row, : len(tokens)] = tokens
        labels[row, example.first_learnt - 1 : len(tokens) - 1] = tokens[example.first_learnt :]
    return Padded(ids.to(device), labels.to(device))
