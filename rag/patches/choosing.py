"""Which patches a question gets: those of its retrieved documents, weighed by relevance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.core.answer import PatchUse
from rag.core.encoding import Encoder
from rag.core.errors import PatchError
from rag.core.passages import ScoredPassage
from rag.core.query import Query
from rag.library.base import Library
from rag.patches.base_model import check_base
from rag.patches.gate import gate_weights
from rag.patches.store.keys import patch_key
from rag.patches.store.patch_store import PatchStore


@dataclass(frozen=True)
class Chooser:
    """Chooses patches by the ranking of a question.

    Attributes:
        library: gives the passages' vectors.
        store: the patches.
        encoder: of the questions; the library's vectors come from it.
        base, writer: gives the fingerprint of the base model; names the patch writer.
        gate: least cosine of a document whose patch is used.
        is_portable: also take patches that were made for another base model.
    """

    library: Library
    store: PatchStore
    encoder: Encoder
    base: Callable[[], str]
    writer: str
    gate: float
    is_portable: bool

    def choose(self, query: Query, ranking: Sequence[ScoredPassage], hashes: Mapping[str, str]) -> list[PatchUse]:
        """The patches of a question.

        Args:
            query: what is asked.
            ranking: its passages.
            hashes: content hash of the library's documents by doc_id.

        Raises:
            PatchError: ``only`` was asked for and no retrieved document has a patch; or their only patches are for
                another model.
        """
        doc_ids = dict.fromkeys(scored.passage.doc_id for scored in ranking)
        keys = self._find_keys({doc_id: hashes[doc_id] for doc_id in doc_ids if doc_id in hashes}, query)
        weights = self.weigh(query.question, ranking)
        return [PatchUse(doc_id, keys[doc_id], weight) for doc_id, weight in weights.items() if doc_id in keys]

    def weigh(self, question: str, ranking: Sequence[ScoredPassage]) -> dict[str, float]:
        """Weight of each retrieved document's patch, by relevance; documents of weight 0 are left out."""
        return gate_weights(self._relevance(question, ranking), self.gate)

    def _find_keys(self, hashes: Mapping[str, str], query: Query) -> dict[str, str]:
        """The patch of each document that has one."""
        base = self.base()
        keys = {doc_id: patch_key(content_hash, base, self.writer) for doc_id, content_hash in hashes.items()}
        known = self.store.known(keys.values())
        keys = {doc_id: key for doc_id, key in keys.items() if key in known}
        if len(keys) < len(hashes) and (self.is_portable or not keys):
            missing = {doc_id: content_hash for doc_id, content_hash in hashes.items() if doc_id not in keys}
            keys |= self._find_foreign(missing, base)
        if query.patches == "only" and not keys:
            raise PatchError(
                f"none of the documents found for {query.question!r} has a patch; make them with 'concord patch build'"
            )
        return keys

    def _find_foreign(self, hashes: Mapping[str, str], base: str) -> dict[str, str]:
        """Patches of the same texts for another base model, where the settings allow them."""
        infos = {info.content_hash: info for info in self.store.ls() if info.writer == self.writer}
        foreign = {doc_id: infos[content_hash] for doc_id, content_hash in hashes.items() if content_hash in infos}
        for info in foreign.values():
            check_base(info, base, is_portable=self.is_portable)
        return {doc_id: info.key for doc_id, info in foreign.items()}

    def _relevance(self, question: str, ranking: Sequence[ScoredPassage]) -> dict[str, float]:
        """Cosine of the question and each document's best retrieved passage."""
        asked = self.encoder.encode([question])[0]
        best: dict[str, float] = {}
        vectors = self.library.rows_by_passage_id([scored.passage.passage_id for scored in ranking])
        for scored in ranking:
            if scored.passage.passage_id in vectors:
                doc_id, (_, vector) = scored.passage.doc_id, vectors[scored.passage.passage_id]
                best[doc_id] = max(best.get(doc_id, -1.0), float(np.dot(asked, vector)))
        return best
