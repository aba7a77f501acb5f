"""Adapters on a CPU: one product per adapter. No copy of its matrices per token.

vLLM's CPU wrapper gathers the matrices of each token by slot. That is slow for long prompts, and in 0.32 it is wrong:
slot -1 means "no adapter", and Python reads it as the last slot, so rows without an adapter get that one's change.
0.33 corrects the rows and keeps the gather. GPUs use other kernels.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def install_lora_products() -> None:
    """Replace the products of vLLM's CPU wrapper; once per worker process."""
    from decoders.vllm_plugin.compat import PunicaWrapperCPU

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
        slot_inputs, start = inputs[rows], 0
        for a, b, width in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
            shrunk = slot_inputs @ a[slot, 0].T.to(slot_inputs.dtype)
            change = scale * shrunk @ b[slot, 0].T.to(slot_inputs.dtype)
            flat[rows, start : start + width] += change[:, :width].to(flat.dtype)
            start += width
