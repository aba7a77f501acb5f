"""Adapters on a CPU: one product per adapter, of its own rank. No copy of its matrices per token.

vLLM's CPU wrapper gathers the matrices of each token by slot, padded to the largest rank that the engine takes. That is
slow for long prompts, and in 0.32 it is wrong: slot -1 means "no adapter", and Python reads it as the last slot, so
rows without an adapter get that one's change. 0.33 corrects the rows and keeps the gather. GPUs use other kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

# Rows of a step: a slice where they lie side by side, which needs no copy.
Rows = slice | Tensor


class StepAdapters:
    """Which rows of a step have which adapter, found once a step, and how large each slot's rank is, once a change."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Rows]] = []
        self._ids: tuple[int | None, ...] = ()
        self._ranks: dict[tuple[int, int], int] = {}

    def begin(self, slots: Tensor, ids: Sequence[int | None]) -> None:
        """A step begins.

        Args:
            slots: each token's slot, -1 for none.
            ids: vLLM's number of the adapter in each slot.
        """
        self.rows = group_rows(slots)
        changed = {slot for slot, lora_id in enumerate(ids) if self._ids[slot : slot + 1] != (lora_id,)}
        if changed:
            self._ranks = {key: rank for key, rank in self._ranks.items() if key[1] not in changed}
            self._ids = tuple(ids)

    def rank(self, a: Tensor, slot: int) -> int:
        """The rank of the adapter in a slot of ``a [slots, 1, r, in]``; 0 where it does not change this layer."""
        key = a.data_ptr(), slot
        if key not in self._ranks:
            used = a[slot, 0].any(dim=1).nonzero()
            self._ranks[key] = int(used[-1]) + 1 if len(used) else 0
        return self._ranks[key]

    def forget(self) -> None:
        """An adapter has got another one's number."""
        self._ranks.clear()


def group_rows(slots: Tensor) -> list[tuple[int, Rows]]:
    """The rows of each slot in use.

    >>> import torch
    >>> group_rows(torch.tensor([-1, 2, 2, 0, -1, 0]))
    [(0, tensor([3, 5])), (2, slice(1, 3, None))]
    """
    groups: list[tuple[int, Rows]] = []
    for slot in sorted(set(slots.tolist())):
        if slot >= 0:
            rows = (slots == slot).nonzero()[:, 0]
            first, last = int(rows[0]), int(rows[-1])
            groups.append((slot, slice(first, last + 1) if last - first + 1 == len(rows) else rows))
    return groups


# One for a worker process: vLLM has one wrapper for a language model.
STEP = StepAdapters()


def install_lora_products() -> None:
    """Replace the products of vLLM's CPU wrapper; once per worker process."""
    from decoders.vllm_plugin.compat import PunicaWrapperCPU

    update = PunicaWrapperCPU.update_metadata

    def update_metadata(self: Any, mapping: Any, lora_index_to_id: list[int | None], *args: Any, **kwargs: Any) -> None:
        update(self, mapping, lora_index_to_id, *args, **kwargs)
        STEP.begin(self.token_lora_indices, lora_index_to_id)

    PunicaWrapperCPU.update_metadata = update_metadata  # type: ignore[method-assign]
    PunicaWrapperCPU.add_lora_linear = add_lora_linear  # type: ignore[method-assign]


def add_lora_linear(
    self: Any,
    y: Tensor,
    x: Tensor,
    lora_a_stacked: tuple[Tensor, ...],
    lora_b_stacked: tuple[Tensor, ...],
    scale: float,
    output_slices: tuple[int, ...],
    **kwargs: Any,
) -> None:
    """``y += scale x A' B'`` for each token's own adapter, ``A`` and ``B`` by slot; the rows are those of ``STEP``.

    Args:
        self: vLLM's wrapper.
        y: ``[T, out]`` changed in place.
        x: ``[T, in]``.
        lora_a_stacked, lora_b_stacked: for each slice of the output ``[slots, 1, r, in]`` and ``[slots, 1, out, r]``.
        output_slices: widths of the slices, side by side in ``y``.
    """
    del self, kwargs
    flat, inputs = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1])
    for slot, rows in STEP.rows:
        start = 0
        for a, b, width in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
            if rank := STEP.rank(a, slot):
                shrunk = inputs[rows] @ a[slot, 0, :rank].T.to(inputs.dtype)
                change = scale * shrunk @ b[slot, 0, :width, :rank].T.to(inputs.dtype)
                flat[rows, start : start + width] += change.to(flat.dtype)
            start += width
