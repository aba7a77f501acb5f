"""The contract between whatever makes adapters and the engines that run them.

An adapter is a weighted sum of parts: the patches of some documents, a skill, or both. The parts may change different
layers; their ranks add up by layer. Engines that run in this process read :attr:`Adapter.tensors`. Engines elsewhere
get the parts, each once, and compose them there (:mod:`rag.generation.vllm.adapters`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from rag.generation.adapters.packed import PackedTensors

UNLIMITED = 2**31


@dataclass(frozen=True, eq=False)
class AdapterPart:
    """One of the adapters that are added up.

    Attributes:
        tensors: by layer, ``A [r, in]`` and ``B [out, r]``; all scales are multiplied in (alpha = r).
        weight: its factor in the sum.
    """

    tensors: PackedTensors
    weight: float = 1.0


@dataclass(frozen=True)
class Adapter:
    """Low-rank changes of a model's linear layers. Equal names mean equal tensors.

    Attributes:
        name: derived from the content, so that caches keyed by it never serve another adapter's rows.
        parts: what is added up.
        max_rank: a layer whose ranks add up to more is cut to its largest singular values.
        is_lasting: many questions come with it, as with a skill: worth preparations that take a second.
    """

    name: str
    parts: tuple[AdapterPart, ...] = field(compare=False, repr=False)
    max_rank: int = field(default=UNLIMITED, compare=False)
    is_lasting: bool = field(default=False, compare=False)

    @classmethod
    def single(cls, name: str, tensors: Mapping[str, tuple[Tensor, Tensor]], *, is_lasting: bool = False) -> Adapter:
        """One adapter at full weight; ``tensors`` by layer as in :class:`AdapterPart`."""
        from rag.generation.adapters.packed import pack

        return cls(name, (AdapterPart(pack(tensors)),), is_lasting=is_lasting)

    @cached_property
    def rank(self) -> int:
        """The largest rank of its layers."""
        from rag.generation.adapters.compose import sum_ranks

        return min(sum_ranks(part.tensors for part in self.parts), self.max_rank)

    @cached_property
    def tensors(self) -> PackedTensors:
        """The sum of the parts by layer; composed when it is first read."""
        from rag.generation.adapters.compose import compose

        if len(self.parts) == 1 and self.parts[0].weight == 1 and self.rank == self.parts[0].tensors.rank:
            return self.parts[0].tensors
        return compose([(part.tensors, part.weight) for part in self.parts], self.max_rank).tensors


def add_adapters(adapters: Sequence[Adapter | None]) -> Adapter | None:
    """The sum of adapters, such as a skill and the patches of a question; ``None`` for none."""
    present = [adapter for adapter in adapters if adapter is not None]
    if len(present) <= 1:
        return present[0] if present else None
    name = hashlib.sha256(" ".join(adapter.name for adapter in present).encode()).hexdigest()[:32]
    parts = tuple(part for adapter in present for part in adapter.parts)
    return Adapter(name, parts, min(adapter.max_rank for adapter in present))
