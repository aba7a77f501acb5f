"""Chosen patches as one adapter, which a generator runs with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.core.answer import PatchUse
from rag.generation.adapters.adapter import Adapter, AdapterPart
from rag.generation.adapters.packed import pack
from rag.patches.base import PatchInfo, Recital, Tensors
from rag.patches.base_model import check_base
from rag.patches.store.patch_store import PatchStore

# As many sentences as a small model reads well beside each other.
_MAX_RECITALS = 4


@dataclass(frozen=True)
class AdapterBuilder:
    """Adds up patches of one store.

    Attributes:
        store: the patches.
        base: gives the fingerprint of the base model.
        max_rank: rank at which the sum is cut.
        is_portable: also take patches that were made for another base model.
    """

    store: PatchStore
    base: Callable[[], str]
    max_rank: int
    is_portable: bool

    def build(self, uses: Sequence[PatchUse]) -> Adapter | None:
        """Patches as one adapter, named by what it is made of; ``None`` for none.

        Raises:
            PatchError: a patch is gone or damaged, or was made for another model.
        """
        loaded = [(*self._load(use.key), use.weight) for use in uses if use.weight != 0]
        return self._add_up(loaded) if loaded else None

    def build_recitals(self, uses: Sequence[PatchUse]) -> tuple[Recital, ...]:
        """Each patch for itself, at full weight; the most relevant first, and no more than four.

        Raises:
            PatchError: as of :meth:`build`.
        """
        used = sorted((use for use in uses if use.weight != 0), key=lambda use: -use.weight)[:_MAX_RECITALS]
        loaded = [(use, *self._load(use.key)) for use in used]
        return tuple(Recital(use, info.title, self._add_up([(info, tensors, 1.0)])) for use, info, tensors in loaded)

    def _add_up(self, loaded: Sequence[tuple[PatchInfo, Tensors, float]]) -> Adapter:
        # By the weights: a key is made from the document, which two machines may have learnt with other roundings.
        recipe = " ".join(f"{info.sha256}*{weight:.4f}" for info, _, weight in loaded) + f" rank {self.max_rank}"
        name = hashlib.sha256(recipe.encode()).hexdigest()[:32]
        parts = tuple(AdapterPart(pack(tensors), weight) for _, tensors, weight in loaded)
        return Adapter(name, parts, self.max_rank)

    def _load(self, key: str) -> tuple[PatchInfo, Tensors]:
        info, tensors = self.store.load(key)
        check_base(info, self.base(), is_portable=self.is_portable)
        return info, tensors
