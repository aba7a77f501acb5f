"""Which samples a trained patch answers: every token of the answer is the most probable one after those before it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rag.patches.training.packing import IGNORED, Batch, Pack


def solved_samples(packs: Sequence[Pack], greedy: Sequence[Sequence[bool]]) -> list[bool]:
    """Whether each sample of one document is answered, in the order in which they were packed.

    Args:
        packs: rows of the document.
        greedy: of the learnt tokens of each row, in their order: whether it is the most probable one.
    """
    solved: list[bool] = []
    for row, flags in zip(packs, greedy, strict=True):
        blocks = [block for block, label in zip(row.blocks, row.labels, strict=True) if label != IGNORED]
        wrong = {block for block, is_greedy in zip(blocks, flags, strict=True) if not is_greedy}
        solved += [block not in wrong for block in range(1, max(row.blocks) + 1)]
    return solved


def split_rows(batch: Batch, values: Tensor) -> list[list[bool]]:
    """One list a row of what there is for each learnt token of a batch."""
    rest: list[bool] = values.tolist()
    by_row: list[list[bool]] = []
    for count in (batch.labels != IGNORED).sum(dim=1).tolist():
        by_row.append(rest[:count])
        rest = rest[count:]
    return by_row
