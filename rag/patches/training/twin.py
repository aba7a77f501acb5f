"""A copy of a model for training: the same weights, its own modules, and none of the hooks."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

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


def frozen_twin(model: nn.Module) -> Any:
    """A second module tree over the same weights: what is done to one tree never reaches the other.

    The model may be answering questions in another thread at this moment, with the adapters of other documents hooked
    into its layers. The twin gets empty hook tables: those of the model are neither copied nor read.
    """
    # deepcopy takes what the memo holds for an object's id instead of copying the object.
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        memo |= {id(module.__dict__[name]): OrderedDict() for name in _HOOKS}
    twin: Any = copy.deepcopy(model, memo)
    twin.set_attn_implementation("sdpa")
    return twin.requires_grad_(False).eval()
