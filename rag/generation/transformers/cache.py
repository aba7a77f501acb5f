"""Key-value cache of a changing set of rows, in bands.

A band holds rows that were prefilled together: rows of similar length, left-padded to one length. Bands differ in
length, so a parametric prompt of 40 tokens never carries the padding of a context of 900.

    band 0  T = 9    row 0   . . p p p p p s s     prompt of 5, suffix of 2
                     row 1   p p p p p p p s s     prompt of 7, suffix of 2
                     row 2   . . p p p p p s s'    forked from row 0: same history, another last token
    band 1  T = 4    row 0   p p s s               prompt of 2, suffix of 2

One forward serves the rows of all bands. The matrix products see them as one batch; only attention goes band by band
(:mod:`rag.generation.transformers.attention`). The columns of each band stand at the right end of the mask. Every layer
keeps its whole history, since the mask alone makes a sliding window, so one layout serves every architecture that is
made of attention. A fork copies one row; the last row takes the place of a finished one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer

# Spare columns of a buffer: the history is copied once in this many steps, not at every step.
_SPARE_COLUMNS = 64


class BufferedLayer(DynamicLayer):  # type: ignore[misc]  # transformers ships no complete types
    """One layer of one band: ``keys`` and ``values [rows, heads, T, dim]`` are views of larger buffers."""

    @classmethod
    def adopt(cls, prefilled: DynamicLayer) -> BufferedLayer:
        """Take over what a prefill left, with room for new columns and forks."""
        layer = cls()
        layer.lazy_initialization(prefilled.keys, prefilled.values)
        layer._allocate(prefilled.keys, prefilled.values)
        return layer

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append columns ``[rows, heads, new, dim]`` in place; returns all columns."""
        rows, start = key_states.shape[0], self.keys.shape[2]
        end = start + key_states.shape[2]
        if end > self.key_buffer.shape[2]:
            self._allocate(self.keys, self.values)
        self._view(rows, end)
        self.keys[:, :, start:] = key_states
        self.values[:, :, start:] = value_states
        return self.keys, self.values

    def truncate(self, length: int) -> None:
        """Forget the columns after the first ``length``."""
        self._view(self.keys.shape[0], length)

    def reserve(self, num_rows: int) -> None:
        """Make room for ``num_rows`` rows."""
        if num_rows > self.key_buffer.shape[0]:
            self._allocate(self.keys, self.values, num_rows)

    def copy_rows(self, moves: Sequence[tuple[int, int]], num_rows: int) -> None:
        """Copy row histories, (source, target) in this order, and keep the first ``num_rows`` (reserved) rows."""
        length = self.keys.shape[2]
        for source, target in moves:
            for buffer in (self.key_buffer, self.value_buffer):
                buffer[target, :, :length].copy_(buffer[source, :, :length])
        self._view(num_rows, length)

    def _allocate(self, keys: Tensor, values: Tensor, num_rows: int = 0) -> None:
        rows, _, length, _ = keys.shape
        # Half as many rows more, for forks; on a CPU untouched pages cost nothing.
        capacity = max(num_rows, rows) * 3 // 2 + 1
        buffers = []
        for states in (keys, values):
            shape = (capacity, states.shape[1], length + _SPARE_COLUMNS, states.shape[3])
            buffers.append(states.new_empty(shape))
            buffers[-1][:rows, :, :length] = states
        self.key_buffer, self.value_buffer = buffers
        self._view(rows, length)

    def _view(self, rows: int, length: int) -> None:
        self.keys, self.values = self.key_buffer[:rows, :, :length], self.value_buffer[:rows, :, :length]


class BandStates(NamedTuple):
    """What attention gets instead of one tensor: the keys or values of every band, in row order."""

    bands: tuple[Tensor, ...]


class _BandedLayer(CacheLayerMixin):  # type: ignore[misc]
    """The same layer of all bands, to a model that sees one batch."""

    is_sliding = False

    def __init__(self, parts: Sequence[BufferedLayer]) -> None:
        super().__init__()
        self._parts = parts
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[BandStates, BandStates]:
        sizes = [part.keys.shape[0] for part in self._parts]
        pieces = zip(self._parts, torch.split(key_states, sizes), torch.split(value_states, sizes), strict=True)
        updated = [part.update(keys, values) for part, keys, values in pieces]
        return BandStates(tuple(keys for keys, _ in updated)), BandStates(tuple(values for _, values in updated))

    def get_seq_length(self) -> int:
        return max(part.keys.shape[2] for part in self._parts)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Bands are prefilled before they are joined; nothing is left to set up."""


def banded_cache(bands: Sequence[Sequence[BufferedLayer]]) -> Cache:
    """One cache over all bands; ``bands[b][l]`` is layer ``l`` of band ``b``."""
    return Cache(layers=[_BandedLayer(parts) for parts in zip(*bands, strict=True)])
