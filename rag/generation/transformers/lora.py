"""Adapters by row: within one forward, row i of the batch runs with its own adapter, or with none.

The base model's matrix product sees the whole batch; the low-rank part is added to the rows that have an adapter. Rows
that share one (a skill) are one block, which costs two thin products a layer. Rows with adapters of their own (patches)
are one batched product. The model itself is not changed: hooks live for one forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rag.core.errors import PatchError
from rag.generation.adapters.adapter import Adapter
from rag.generation.transformers.merged import MergedModels

Pair = tuple[Tensor, Tensor]
# Rows of a batch: all of them, a slice, or their indices.
Rows = slice | Tensor | None
_Block = tuple[Rows, dict[str, Pair]]


def low_rank(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``(x A^T) B^T`` by row: ``x [K, T, in]``, ``a [K, r, in]``, ``b [K, out, r]`` give ``[K, T, out]``.

    Source: Hu et al. 2021 (LoRA), eq. 3, without the factor alpha / r.
    """
    return torch.bmm(torch.bmm(x, a.mT), b.mT)


class RowAdapters:
    """The adapters of a running batch on one model, placed on its device while rows use them.

    Args:
        model: runs the rows.
        merged: copies of it for rows that share a skill; without it there are none.
    """

    def __init__(self, model: nn.Module, merged: MergedModels | None = None) -> None:
        self._model = model
        self._merged = merged
        self._placed: dict[Adapter, dict[str, Pair]] = {}
        self._modules: dict[str, nn.Module] = {}

    @contextmanager
    def applied(self, adapters: Sequence[Adapter | None]) -> Iterator[Any]:
        """Inside, row i of a forward of the model that is given runs with ``adapters[i]``.

        The adapters must fit the model (:func:`check_adapter`). Where all rows share a skill, the model is a copy with
        that merged into its weights; else it is the model itself.
        """
        merged = self._merged.find(adapters) if self._merged else None
        if merged is not None:
            yield merged
            return
        for adapter in adapters:
            if adapter is not None and adapter not in self._placed:
                self._placed[adapter] = self._place(adapter)
        shared, single = self._group(adapters)
        with ExitStack() as hooks:
            for layer in dict.fromkeys(layer for _, table in (*shared, *single) for layer in table):
                blocks = [(rows, table[layer]) for rows, table in shared if layer in table]
                alone = [(row, table[layer]) for row, table in single if layer in table]
                hooks.callback(self._module(layer).register_forward_hook(_hook(blocks, alone)).remove)
            yield self._model

    def _group(self, adapters: Sequence[Adapter | None]) -> tuple[list[_Block], list[tuple[int, dict[str, Pair]]]]:
        """Blocks of rows with one adapter, and the rows whose adapters nobody shares."""
        by_adapter: dict[Adapter, list[int]] = {}
        for row, adapter in enumerate(adapters):
            if adapter is not None:
                by_adapter.setdefault(adapter, []).append(row)
        is_shared = {adapter: len(rows) > 1 or len(by_adapter) == 1 for adapter, rows in by_adapter.items()}
        shared = [
            (select_rows(rows, len(adapters), self._model), self._placed[adapter])
            for adapter, rows in by_adapter.items()
            if is_shared[adapter]
        ]
        single = [(rows[0], self._placed[adapter]) for adapter, rows in by_adapter.items() if not is_shared[adapter]]
        return shared, single

    def _module(self, layer: str) -> nn.Module:
        if layer not in self._modules:
            self._modules[layer] = self._model.get_submodule(layer)
        return self._modules[layer]

    def batch_key(self, adapter: Adapter | None) -> Adapter | None:
        """Prompts with equal keys may be read in one forward without a loss of speed."""
        return adapter if self._merged and self._merged.may_merge(adapter) else None

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


def select_rows(rows: Sequence[int], num_rows: int, model: nn.Module) -> Rows:
    """The cheapest way to take these rows (ascending) of a batch: all of it, a slice of it, or by their indices."""
    if len(rows) == num_rows:
        return None
    if rows[-1] - rows[0] == len(rows) - 1:
        return slice(rows[0], rows[-1] + 1)
    return torch.tensor(rows, device=next(model.parameters()).device)


def _hook(blocks: Sequence[tuple[Rows, Pair]], alone: Sequence[tuple[int, Pair]]) -> Any:
    rows = [row for row, _ in alone]

    def add(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        for block, (a, b) in blocks:
            _add_to_block(output, args[0], block, a, b)
        if rows:
            # Stacked again in each forward: this takes the memory of one layer's adapters, and needs no book-keeping.
            output[rows] += low_rank(args[0][rows], *stack_ranks([pair for _, pair in alone]))
        return output

    return add


def _add_to_block(output: Tensor, x: Tensor, rows: Rows, a: Tensor, b: Tensor) -> None:
    """Add ``B A x`` to these rows of the output: two products for all of their tokens, none per row."""
    if isinstance(rows, Tensor):
        output.index_add_(0, rows, x[rows] @ a.mT @ b.mT)
        return
    chosen, inputs = (output, x) if rows is None else (output[rows], x[rows])
    shrunk = inputs.reshape(-1, inputs.shape[-1]) @ a.mT
    chosen.view(-1, chosen.shape[-1]).addmm_(shrunk, b.mT)


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
