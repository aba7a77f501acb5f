"""Adapters by row: within one forward, row i of the batch runs with its own adapter, or with none.

The base model's matrix product sees the whole batch; the low-rank part is added to the rows that have an adapter.
The model itself is not changed: hooks live for one forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rag.core.errors import PatchError
from rag.generation.adapters.adapter import Adapter

Pair = tuple[Tensor, Tensor]


def low_rank(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``(x A^T) B^T`` by row: ``x [K, T, in]``, ``a [K, r, in]``, ``b [K, out, r]`` give ``[K, T, out]``.

    Source: Hu et al. 2021 (LoRA), eq. 3, without the factor alpha / r.
    """
    return torch.bmm(torch.bmm(x, a.mT), b.mT)


class RowAdapters:
    """The adapters of a running batch on one model, placed on its device while rows use them."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._placed: dict[Adapter, dict[str, Pair]] = {}

    @contextmanager
    def applied(self, adapters: Sequence[Adapter | None]) -> Iterator[None]:
        """Inside, row i of the model's forward runs with ``adapters[i]``.

        The adapters must fit the model (:func:`check_adapter`).
        """
        for adapter in adapters:
            if adapter is not None and adapter not in self._placed:
                self._placed[adapter] = self._place(adapter)
        tables = [self._placed[adapter] if adapter else {} for adapter in adapters]
        with ExitStack() as hooks:
            for layer in dict.fromkeys(layer for table in tables for layer in table):
                rows = [row for row, table in enumerate(tables) if layer in table]
                hook = _hook(rows, [tables[row][layer] for row in rows])
                hooks.callback(self._model.get_submodule(layer).register_forward_hook(hook).remove)
            yield

    def keep(self, adapters: Iterable[Adapter | None]) -> None:
        """Drop all adapters except these."""
        used = set(adapters)
        self._placed = {adapter: table for adapter, table in self._placed.items() if adapter in used}

    def _place(self, adapter: Adapter) -> dict[str, Pair]:
        return {layer: self._placed_pair(layer, pair) for layer, pair in adapter.tensors.items()}

    def _placed_pair(self, layer: str, pair: Pair) -> Pair:
        weight: Any = self._model.get_submodule(layer).weight
        a, b = pair
        return a.to(weight.device, weight.dtype), b.to(weight.device, weight.dtype)


def check_adapter(model: nn.Module, adapter: Adapter | None) -> None:
    """Refuse an adapter that was made for another model.

    Raises:
        PatchError: it changes a layer that the model does not have, or that has another size; it is no low-rank pair.
    """
    for layer, (a, b) in (adapter.tensors if adapter else {}).items():
        assert adapter is not None
        try:
            weight: Any = model.get_submodule(layer).weight
        except AttributeError:
            raise PatchError(
                f"patch {adapter.name} changes {layer!r}, a layer that this model does not have; build it anew"
            ) from None
        if (b.shape[0], a.shape[1]) != tuple(weight.shape) or a.shape[0] != b.shape[1]:
            raise PatchError(
                f"patch {adapter.name} changes {layer!r} by {tuple(b.shape)} x {tuple(a.shape)}; the model has "
                f"{tuple(weight.shape)} there; build it anew"
            )


def _hook(rows: Sequence[int], pairs: Sequence[Pair]) -> Any:
    def add(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        # Stacked again in each forward: this takes the memory of one layer's adapters, and needs no book-keeping.
        a, b = stack_ranks(pairs)
        output[rows] += low_rank(args[0][rows], a, b)
        return output

    return add


def stack_ranks(pairs: Sequence[Pair]) -> Pair:
    """Pairs of several ranks as ``[K, r, in]`` and ``[K, out, r]``; short ones are filled with zeros, which add 0."""
    rank = max(a.shape[0] for a, _ in pairs)
    if all(a.shape[0] == rank for a, _ in pairs):
        return torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs])
    wide_a = [nn.functional.pad(a, (0, 0, 0, rank - a.shape[0])) for a, _ in pairs]
    wide_b = [nn.functional.pad(b, (0, rank - b.shape[1])) for _, b in pairs]
    return torch.stack(wide_a), torch.stack(wide_b)


def num_bytes(tensors: Mapping[str, Pair]) -> int:
    """Memory of an adapter's tensors."""
    return sum(tensor.nbytes for pair in tensors.values() for tensor in pair)
