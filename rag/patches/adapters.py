"""Chosen patches as one adapter, which a generator runs with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.core.answer import PatchUse
from rag.core.encoding import Encoder
from rag.core.errors import PatchError
from rag.generation.adapters.adapter import Adapter, AdapterPart
from rag.generation.adapters.packed import pack
from rag.patches.base import PatchInfo, Recital, Tensors
from rag.patches.base_model import check_base
from rag.patches.store.patch_store import PatchStore
from rag.patches.store.tensor_cache import Loaded

# As many sentences as a small model reads well beside each other.
_MAX_RECITALS = 4


@dataclass(frozen=True)
class AdapterBuilder:
    """Adds up patches of one store.

    Attributes:
        store: the patches.
        encoder: compares a question with the sentences of a patch.
        base: gives the fingerprint of the base model.
        max_rank: rank at which the sum is cut.
        is_portable: also take patches that were made for another base model.
    """

    store: PatchStore
    encoder: Encoder
    base: Callable[[], str]
    max_rank: int
    is_portable: bool

    def build(self, uses: Sequence[PatchUse]) -> Adapter | None:
        """Patches as one adapter, named by what it is made of; ``None`` for none.

        Raises:
            PatchError: a patch is gone or damaged, or was made for another model.
        """
        loaded = [(*self._load(use.key)[:2], use.weight) for use in uses if use.weight != 0]
        return self._add_up(loaded) if loaded else None

    def build_recitals(self, uses: Sequence[PatchUse]) -> tuple[Recital, ...]:
        """Each patch for itself, at full weight; the most relevant first, and no more than four.

        Raises:
            PatchError: as of :meth:`build`; or a patch does not say what its sentences are about, or says it by vectors
                of another encoder.
        """
        used = sorted((use for use in uses if use.weight != 0), key=lambda use: -use.weight)[:_MAX_RECITALS]
        return tuple(map(self._build_recital, used))

    def _build_recital(self, use: PatchUse) -> Recital:
        info, tensors, index = self._load(use.key)
        if index is None:
            raise PatchError(
                f"patch {info.key} recites nothing by number: it was made by an older version, or with another "
                "profile; remove it with 'concord patch rm' and build it again"
            )
        index.check(self.encoder, info.key)
        return Recital(use, info.title, self._add_up([(info, tensors, 1.0)]), index)

    def _add_up(self, loaded: Sequence[tuple[PatchInfo, Tensors, float]]) -> Adapter:
        # By the weights: a key is made from the document, which two machines may have learnt with other roundings.
        recipe = " ".join(f"{info.sha256}*{weight:.4f}" for info, _, weight in loaded) + f" rank {self.max_rank}"
        name = hashlib.sha256(recipe.encode()).hexdigest()[:32]
        parts = tuple(AdapterPart(pack(tensors), weight) for _, tensors, weight in loaded)
        return Adapter(name, parts, self.max_rank)

    def _load(self, key: str) -> Loaded:
        loaded = self.store.load(key)
        check_base(loaded.info, self.base(), is_portable=self.is_portable)
        return loaded
