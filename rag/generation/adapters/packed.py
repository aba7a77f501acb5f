"""An adapter's tensors, layers of one shape side by side.

A model has some hundred adapted layers and only a few shapes. Whatever is done to whole shapes costs a few operations
instead of hundreds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from safetensors.torch import save
from torch import Tensor

Pair = tuple[Tensor, Tensor]
_PREFIX = "base_model.model."


@dataclass(frozen=True, eq=False)
class LayerGroup:
    """Layers of one shape.

    Attributes:
        layers: their names.
        a: ``[L, r, in]``.
        b: ``[L, out, r]``.
    """

    layers: tuple[str, ...]
    a: Tensor
    b: Tensor

    def split(self) -> Iterator[LayerGroup]:
        """Each layer as a group of its own."""
        for row, layer in enumerate(self.layers):
            yield LayerGroup((layer,), self.a[row : row + 1], self.b[row : row + 1])


class PackedTensors(Mapping[str, Pair]):
    """``A [r, in]`` and ``B [out, r]`` by layer. All scales are multiplied in: the change of a layer is ``B A``.

    Args:
        groups: of disjoint layers.
    """

    def __init__(self, groups: tuple[LayerGroup, ...]) -> None:
        self.groups = groups
        self._places = {layer: (group, row) for group in groups for row, layer in enumerate(group.layers)}

    def __getitem__(self, layer: str) -> Pair:
        group, row = self._places[layer]
        return group.a[row], group.b[row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def rank(self) -> int:
        """The largest rank of a layer; 0 without layers."""
        return max((group.a.shape[1] for group in self.groups), default=0)

    @property
    def num_bytes(self) -> int:
        """Memory of the tensors."""
        return sum(group.a.nbytes + group.b.nbytes for group in self.groups)

    @cached_property
    def digest(self) -> str:
        """Names the content: SHA-256 of :meth:`to_bytes`, in hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """A safetensors file with PEFT's names; equal content gives equal bytes."""
        return save(name_tensors({layer: self[layer] for layer in sorted(self)}))


def pack(tensors: Mapping[str, Pair]) -> PackedTensors:
    """Put layers of one shape side by side."""
    if isinstance(tensors, PackedTensors):
        return tensors
    shapes: dict[object, list[str]] = {}
    for layer, (a, b) in tensors.items():
        shapes.setdefault((a.shape, b.shape, a.dtype, b.dtype, a.device), []).append(layer)
    return PackedTensors(
        tuple(
            LayerGroup(
                tuple(layers),
                torch.stack([tensors[layer][0] for layer in layers]),
                torch.stack([tensors[layer][1] for layer in layers]),
            )
            for layers in shapes.values()
        )
    )


def name_tensors(tensors: Mapping[str, Pair]) -> dict[str, Tensor]:
    """The tensors by the names that PEFT gives them in a file."""
    return {
        f"{_PREFIX}{layer}.lora_{side}.weight": tensor.contiguous()
        for layer, pair in tensors.items()
        for side, tensor in zip("AB", pair, strict=True)
    }


def parse_tensors(named: Mapping[str, Tensor], scale: float = 1.0) -> PackedTensors:
    """The tensors of a PEFT file, ``scale`` multiplied into ``A``.

    Raises:
        ValueError: there are none, or ``A`` and ``B`` of a layer do not fit together.
        KeyError: a layer has no ``B``.
    """
    tensors: dict[str, Pair] = {}
    for name in sorted(named):
        layer, is_a, _ = name.partition(".lora_A.weight")
        if is_a:
            a, b = named[name], named[f"{layer}.lora_B.weight"]
            if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
                raise ValueError(f"ranks differ in {layer}")
            tensors[layer.removeprefix(_PREFIX)] = (a * scale if scale != 1 else a, b)
    if not tensors:
        raise ValueError("no tensors")
    return pack(tensors)
