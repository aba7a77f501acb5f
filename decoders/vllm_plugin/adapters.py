"""Adapters on a CPU: vLLM 0.32 gives rows without an adapter the adapter of the last slot.

Its wrapper gathers each token's matrices by slot, and slot -1, "none", is Python's last. Mended here by going through
the adapters that the batch has and leaving the other rows alone, which also spares the gather: one product per adapter
in place of one copy of its matrices per token. GPUs have kernels of their own, which are right.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def mend() -> None:
    """Replace the wrapper's products; once per worker process."""
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

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
    """``y += scale x A' B'`` for each token's own adapter, ``A`` and ``B`` by slot.

    Args:
        self: vLLM's wrapper, which knows each token's slot (-1 is none).
        y: ``[T, out]`` changed in place.
        x: ``[T, in]``.
        lora_a_stacked, lora_b_stacked: for each slice of the output ``[slots, 1, r, in]`` and ``[slots, 1, out, r]``.
        output_slices: widths of the slices, side by side in ``y``.
    """
    del kwargs
    flat, inputs, slots = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1]), self.token_lora_indices
    for slot in slots.unique().tolist():
        if slot < 0:
            continue
        rows = (slots == slot).nonzero()[:, 0]
        some, start = inputs[rows], 0
        for a, b, width in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
            change = scale * (some @ a[slot, 0].T.to(some.dtype)) @ b[slot, 0].T.to(some.dtype)
            flat[rows, start : start + width] += change[:, :width].to(flat.dtype)
            start += width
