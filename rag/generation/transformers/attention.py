"""Attention of a decoding step over banded rows (:mod:`rag.generation.transformers.cache`).

It does two things that the library's own SDPA path does not. Each band attends to its own columns only. The heads of a
query group take the place of the query positions, ``[rows, kv_heads * group, 1, dim] -> [rows, kv_heads, group, dim]``,
so that keys and values are read once and are not repeated for every query head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from rag.generation.transformers.cache import BandStates

_NAME = "concord_banded_sdpa"


def banded_sdpa(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor | BandStates,
    value: Tensor | BandStates,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """``sdpa_attention_forward`` for a prefill, band by band for a step.

    Args:
        query: ``[rows, heads, 1, dim]`` in a step.
        key, value: per band ``[band_rows, kv_heads, T_band, dim]`` in a step.
        attention_mask: ``[rows, 1, 1, T]`` with every band's columns at the right end; True = attend.

    Returns:
        ``[rows, 1, heads, dim]`` and no attention weights.
    """
    if not isinstance(key, BandStates) or not isinstance(value, BandStates):
        output: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return output
    pieces = []
    first = 0
    for keys, values in zip(key.bands, value.bands, strict=True):
        rows, kv_heads, length, _ = keys.shape
        here = slice(first, first + rows)
        folded = query[here].reshape(rows, kv_heads, -1, query.shape[-1])
        mask = None if attention_mask is None else attention_mask[here, :, :, -length:]
        attended = scaled_dot_product_attention(folded, keys, values, attn_mask=mask, scale=scaling)
        pieces.append(attended.reshape(rows, 1, query.shape[1], values.shape[-1]))
        first += rows
    return torch.cat(pieces), None


def enable_bands(model: PreTrainedModel) -> bool:
    """Switch a model that runs on SDPA through the attention interface to :func:`banded_sdpa`.

    Returns:
        Whether it was switched. Other models (eager, soft-capped, older code) are decoded band by band, unchanged.
    """
    if model.config._attn_implementation == _NAME:
        return True
    if not model._supports_attention_backend or model.config._attn_implementation != "sdpa":
        return False
    AttentionInterface.register(_NAME, banded_sdpa)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    model.set_attn_implementation(_NAME)
    return True
