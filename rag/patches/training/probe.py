"""Which samples a trained patch answers: every token of the answer has more than half of the probability.

A greedy answer then has these very tokens, whatever the others are.
"""

from __future__ import annotations

import math

from torch import Tensor

from rag.patches.training.packing import IGNORED, Batch, Pack


def solved_samples(packs: list[Pack], losses: list[list[float]]) -> list[bool]:
    """Whether each sample of one document is answered, in the order in which they were packed.

    Args:
        packs: rows of the document.
        losses: cross entropy of the learnt tokens of each row, in their order.
    """
    solved: list[bool] = []
    for row, values in zip(packs, losses, strict=True):
        blocks = [block for block, label in zip(row.blocks, row.labels, strict=True) if label != IGNORED]
        worst = dict.fromkeys(range(1, max(row.blocks) + 1), 0.0)
        for block, value in zip(blocks, values, strict=True):
            worst[block] = max(worst[block], value)
        solved += [value < math.log(2) for value in worst.values()]
    return solved


def losses_by_row(batch: Batch, losses: Tensor) -> list[list[float]]:
    """The losses of a batch's learnt tokens, one list a row."""
    counts: list[int] = (batch.labels != IGNORED).sum(dim=1).tolist()
    return [part.tolist() for part in losses.split(counts)]
