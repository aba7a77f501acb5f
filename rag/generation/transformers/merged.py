"""A skill merged into a copy of the model, for forwards whose rows all run with it: they cost what the model costs.

The copy shares every weight but those that the skill changes. It is made when it is first of use, where memory allows,
and for exact numbers only: in bfloat16 the merged weights would be rounded, and an answer would depend on whether other
rows of its batch have the skill too.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from rag.generation.adapters.adapter import Adapter
from rag.models.memory import available_memory

_MAX_COPIES = 2
# Copies may take this share of the memory that is free when they are made.
_MEMORY_SHARE = 0.5
_HOOKS = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks")


class MergedModels:
    """Merged copies of one model; the least recently used goes first. One thread calls it.

    Args:
        model: whose copies they are.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._copies: OrderedDict[Adapter, nn.Module] = OrderedDict()
        self._refused: set[Adapter] = set()

    def find(self, adapters: Sequence[Adapter | None]) -> nn.Module | None:
        """The model to run where all rows have one lasting adapter; ``None`` where they differ, or memory is short."""
        first = adapters[0] if adapters else None
        if first is None or not self.may_merge(first) or any(adapter != first for adapter in adapters):
            return None
        if first not in self._copies:
            if self._size(first) > _MEMORY_SHARE * available_memory(self._device):
                self._refused.add(first)
                return None
            self._copies[first] = merge(self._model, first)
            while len(self._copies) > _MAX_COPIES:
                self._copies.popitem(last=False)
        self._copies.move_to_end(first)
        return self._copies[first]

    def may_merge(self, adapter: Adapter | None) -> bool:
        """Whether rows with this adapter are better kept among themselves."""
        if adapter is None or not adapter.is_lasting or adapter in self._refused:
            return False
        return next(self._model.parameters()).dtype in (torch.float32, torch.float64)

    @property
    def _device(self) -> str:
        return str(next(self._model.parameters()).device)

    def _size(self, adapter: Adapter) -> int:
        return sum(_weight(self._model, layer).nbytes for layer in adapter.tensors)


def merge(model: nn.Module, adapter: Adapter) -> nn.Module:
    """A copy of a model with ``W + B A`` in the layers of an adapter; all other weights are shared."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        memo |= {id(module.__dict__[name]): OrderedDict() for name in _HOOKS}
    merged = copy.deepcopy(model, memo)
    with torch.no_grad():
        for layer, (a, b) in adapter.tensors.items():
            weight = _weight(model, layer)
            change = b.to(weight.device, weight.dtype) @ a.to(weight.device, weight.dtype)
            merged.get_submodule(layer).weight = nn.Parameter(weight + change, requires_grad=False)
    return merged


def _weight(model: nn.Module, layer: str) -> torch.Tensor:
    weight: torch.Tensor = model.get_submodule(layer).weight  # type: ignore[assignment]
    return weight
