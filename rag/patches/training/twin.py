"""A copy of a model for training: the same weights, its own modules, and none of the hooks."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import nn

# Where a module keeps its hooks, and what it knows about them.
_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def frozen_twin(model: nn.Module, dtype: torch.dtype | None = None) -> Any:
    """A second module tree over the same weights: what is done to one tree never reaches the other.

    With a ``dtype`` it has weights of its own in that precision; the buffers stay as they are.

    The model may be answering questions in another thread at this moment, with the adapters of other documents hooked
    into its layers. The twin gets empty hook tables: those of the model are neither copied nor read.
    """
    # deepcopy takes what the memo holds for an object's id instead of copying the object.
    memo: dict[int, Any] = {id(buffer): buffer for buffer in model.buffers()}
    for weight in model.parameters():
        memo[id(weight)] = weight if dtype is None else nn.Parameter(weight.detach().to(dtype), requires_grad=False)
    for module in model.modules():
        memo |= {id(module.__dict__[name]): OrderedDict() for name in _HOOKS}
    twin: Any = copy.deepcopy(model, memo)
    twin.set_attn_implementation("sdpa")
    return twin.requires_grad_(False).eval()


def training_dtype(model: Any, *, is_fast: bool) -> torch.dtype | None:
    """bfloat16 for a float32 model on a processor that multiplies it natively, if asked for; else ``None``.

    Native products are about four times as fast as those in float32. What learns stays in float32.
    """
    is_plain = model.device.type == "cpu" and next(model.parameters()).dtype == torch.float32
    return torch.bfloat16 if is_fast and is_plain and multiplies_bfloat16() else None


def multiplies_bfloat16() -> bool:
    """Whether this processor has products of bfloat16 of its own."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
