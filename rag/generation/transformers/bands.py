"""A band: rows of similar length that share one cache tensor for each layer, without gaps between the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rag.generation.base import Adapter
from rag.generation.transformers.cache import BufferedLayer


@dataclass(eq=False)
class Row:
    """One sequence in the cache.

    Attributes:
        num_tokens: tokens in the cache.
        token: the token to feed next.
        index: its place among the logits of the last prefill or step.
        adapter: what the model runs with on this row.
    """

    num_tokens: int
    token: int = 0
    index: int = 0
    adapter: Adapter | None = None


@dataclass(eq=False)
class Band:
    """The rows of one band, in the order in which they stand in its layers."""

    layers: list[BufferedLayer]
    rows: list[Row] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Columns of the cache: the tokens of its longest row."""
        return int(self.layers[0].keys.shape[2])


def rearrange(band: Band, forks: Mapping[Row, Sequence[Row]]) -> None:
    """Move forks and the last rows into the places of removed rows, so that the band has no gaps."""
    place = {row: index for index, row in enumerate(band.rows)}
    num_before = len(band.rows)
    stay = [row for row in band.rows if row in forks]
    born = [(fork, place[row]) for row in stay for fork in forks[row]]
    num_rows = len(stay) + len(born)
    if num_rows == num_before and not born:
        return
    layout: list[Row | None] = [row if row in forks else None for row in band.rows]
    layout = layout[:num_rows] + [None] * (num_rows - num_before)
    homeless = [(row, place[row]) for row in stay if place[row] >= num_rows] + born
    holes = [index for index, row in enumerate(layout) if row is None]
    moves = []
    for (row, source), target in zip(homeless, holes, strict=True):
        layout[target] = row
        moves.append((source, target))
    for layer in band.layers:  # for all layers before any of them changes: memory may run out
        layer.reserve(num_rows)
    for layer in band.layers:
        layer.copy_rows(moves, num_rows)
    band.rows = [row for row in layout if row is not None]
