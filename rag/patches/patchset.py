"""The patches of one library, ``engine.patches``: build them, look at them, and choose those of a question."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from rag.core.answer import PatchUse
from rag.core.config import Config
from rag.core.errors import LibraryError, PatchError, SettingError
from rag.core.passages import ScoredPassage
from rag.core.progress import Progress
from rag.core.query import Query
from rag.generation.base import Adapter, Generator
from rag.generation.load import load_generator
from rag.generation.transformers.generator import TransformersGenerator
from rag.library.base import documents_named
from rag.library.sqlite.library import SqliteLibrary
from rag.models.resolve import resolve_generator
from rag.models.sentence_encoder import Encoder
from rag.patches.base import (
    BuildReport,
    PatchDocument,
    PatchInfo,
    Patching,
    PatchWriter,
    Tensors,
    keys_named,
    profile_named,
)
from rag.patches.building import Builder, document_of
from rag.patches.compose import compose
from rag.patches.fingerprint import folder_fingerprint, model_fingerprint
from rag.patches.gate import gate_weights
from rag.patches.store import PatchStore, check_base, patch_key
from rag.patches.training.trainer import GradientWriter


class PatchSet:
    """Patches of one library for one base model.

    Args:
        library: whose documents.
        config: profile, gate and limits.
        encoder: of the questions; the library's vectors are its.
        generator: gives the engine's generator, loaded when it is needed.
        writer: another :class:`PatchWriter` in place of the gradient trainer.
        cache_salt: of the requests to the generator.
    """

    def __init__(
        self,
        library: SqliteLibrary,
        config: Config,
        encoder: Encoder,
        generator: Callable[[], Generator],
        writer: PatchWriter | None = None,
        cache_salt: str = "",
    ) -> None:
        self._library = library
        self._config = config
        self._encoder = encoder
        self._generator = generator
        self._given_writer = writer
        self._cache_salt = cache_salt
        self._profile = profile_named(config.patch_profile)
        self._hashes: tuple[int, dict[str, str]] = (-1, {})
        self.store = PatchStore(library.folder / "patches", config.patch_store_mib, config.patch_memory_mib)

    @cached_property
    def trainable(self) -> TransformersGenerator:
        """The engine's generator where it can train; else the configured model, loaded for that."""
        generator = self._generator()
        if isinstance(generator, TransformersGenerator):
            return generator
        own = load_generator(self._config.model_copy(update={"engine": "transformers"}))
        assert isinstance(own, TransformersGenerator)
        return own

    @cached_property
    def base(self) -> str:
        """Fingerprint of the base model."""
        if isinstance(self._generator(), TransformersGenerator):
            return model_fingerprint(self.trainable.model)
        folder = Path(resolve_generator(self._config)[1])
        # No second copy of the weights in memory where another engine has them already.
        return folder_fingerprint(folder) if folder.is_dir() else model_fingerprint(self.trainable.model)

    def check_engine(self) -> None:
        """Refuse an engine that runs no patches, before anything is done for it.

        Raises:
            SettingError: it is a server.
        """
        if self._config.engine.startswith(("http://", "https://")):
            raise SettingError("a vLLM server over HTTP runs no patches; take engine='vllm' or 'transformers' for them")

    def build(
        self, docs: Sequence[str] = (), *, jobs: int | None = None, progress: Progress | None = None
    ) -> BuildReport:
        """Make the patches that are missing; each is kept as soon as it is done, so a killed build goes on.

        Args:
            docs: sources, folders or doc_ids; all documents by default.
            jobs: most documents that train together; by default as many as memory takes.
            progress: told of each document.

        Raises:
            LibraryError: a name that fits no document.
            ModelError: the model cannot be patched.
        """
        documents = [document_of(self._library, doc_id, key) for doc_id, key in self._chosen(docs).items()]
        return self._builder(jobs).build(documents, progress or Progress())

    def uses_of(self, documents: Sequence[PatchDocument]) -> list[PatchUse | None]:
        """The patch of each document at full weight, made now where it is missing; ``None`` for one that makes none.

        The library need not hold the documents: whoever chooses patches by hand, as an experiment does, names them.

        Raises:
            ModelError: the model cannot be patched.
        """
        keys = [patch_key(document.content_hash, self.base, self._writer_fingerprint) for document in documents]
        missing = {key: document for key, document in zip(keys, documents, strict=True) if key not in self.store}
        if missing:
            self._builder().build(list(missing.values()), Progress())
        return [
            PatchUse(document.doc_id, key, 1.0) if key in self.store else None
            for key, document in zip(keys, documents, strict=True)
        ]

    def ls(self) -> list[PatchInfo]:
        """Every patch of the store, by document."""
        return self.store.ls()

    def patched(self) -> set[str]:
        """The documents whose present text has a patch by this writer; no model is loaded to find out."""
        hashes, writer = self._live_hashes(), self._writer_fingerprint
        mine = (info for info in self.store.ls() if info.writer == writer and info.base_name == self._config.model)
        return {info.doc_id for info in mine if hashes.get(info.doc_id) == info.content_hash}

    def inspect(self, key: str) -> PatchInfo:
        """One patch, its weights checked.

        Raises:
            PatchError: there is none, or it is damaged.
        """
        return self.store.load((keys_named(self.store.ls(), key) or [key])[0])[0]

    def remove(self, names: Sequence[str]) -> list[str]:
        """Remove patches by key (its beginning is enough) or by document; returns their keys.

        Raises:
            PatchError: a name that fits none; nothing is removed then.
        """
        infos = self.store.ls()
        keys = list(dict.fromkeys(key for name in names for key in keys_named(infos, name) or [name]))
        self.store.remove(keys)
        return keys

    def patch(self, query: Query, ranking: Sequence[ScoredPassage]) -> Patching:
        """The patches of a question: those of the retrieved documents that are relevant to it, composed.

        Raises:
            PatchError: ``only`` was asked for and no retrieved document has a patch; or one is damaged, or was made
                for another model.
        """
        keys = self._keys_of(query, [scored.passage.doc_id for scored in ranking])
        weights = self.weights(query.question, ranking)
        uses = tuple(PatchUse(doc_id, keys[doc_id], weight) for doc_id, weight in weights.items() if doc_id in keys)
        return Patching(self.adapter(uses), uses)

    def weights(self, question: str, ranking: Sequence[ScoredPassage]) -> dict[str, float]:
        """Weight of each retrieved document's patch, by relevance; documents of weight 0 are left out."""
        return gate_weights(self._relevance(question, ranking), self._config.patch_gate)

    def adapter(self, uses: Sequence[PatchUse]) -> Adapter | None:
        """Patches as one adapter, named by what it is made of; ``None`` for none."""
        used = [use for use in uses if use.weight != 0]
        if not used:
            return None
        parts = [(self._load(use.key), use.weight) for use in used]
        composed = compose(parts, self._config.patch_max_rank)
        recipe = " ".join(f"{use.key}*{use.weight:.4f}" for use in used) + f" rank {self._config.patch_max_rank}"
        name = hashlib.sha256(recipe.encode()).hexdigest()[:32]
        return Adapter(name, composed.rank, self.store.folder / "composed" / name, composed.tensors)

    def _builder(self, jobs: int | None = None) -> Builder:
        return Builder(
            self.store, self.writer, self._profile, self.trainable, self._config.model, jobs, self._cache_salt
        )

    def _load(self, key: str) -> Tensors:
        info, tensors = self.store.load(key)
        check_base(info, self.base, is_portable=self._config.patch_portable)
        return tensors

    @cached_property
    def writer(self) -> PatchWriter:
        """Who makes the patches."""
        return self._given_writer or GradientWriter(self.trainable, self._profile)

    @property
    def _writer_fingerprint(self) -> str:
        return self._given_writer.fingerprint if self._given_writer else self._profile.fingerprint()

    def _chosen(self, docs: Sequence[str]) -> dict[str, str]:
        """Content hash of the chosen documents."""
        hashes = self._live_hashes()
        if not hashes:
            raise LibraryError(f"the library at {self._library.folder} is empty; add documents first")
        if not docs:
            return hashes
        return {doc_id: hashes[doc_id] for doc_id in documents_named(self._library, docs)}

    def _live_hashes(self) -> dict[str, str]:
        generation = self._library.generation
        if self._hashes[0] != generation:
            self._hashes = (generation, self._library.hashes(is_live=True))
        return self._hashes[1]

    def _keys_of(self, query: Query, doc_ids: Sequence[str]) -> dict[str, str]:
        """The patch of each retrieved document that has one."""
        hashes = self._live_hashes()
        known = [doc_id for doc_id in dict.fromkeys(doc_ids) if doc_id in hashes]
        keys = {doc_id: patch_key(hashes[doc_id], self.base, self._writer_fingerprint) for doc_id in known}
        found = {doc_id: key for doc_id, key in keys.items() if key in self.store}
        is_refused = not found and query.patches == "only"
        if len(found) < len(known) and (self._config.patch_portable or is_refused):
            others = {info.content_hash: info for info in self.store.ls() if info.writer == self._writer_fingerprint}
            for doc_id in known:
                if doc_id not in found and hashes[doc_id] in others:
                    check_base(others[hashes[doc_id]], self.base, is_portable=self._config.patch_portable)
                    found[doc_id] = others[hashes[doc_id]].key
        if not found and query.patches == "only":
            raise PatchError(
                f"none of the documents found for {query.question!r} has a patch; make them with 'concord patch build'"
            )
        return found

    def _relevance(self, question: str, ranking: Sequence[ScoredPassage]) -> dict[str, float]:
        """Cosine of the question and each document's best retrieved passage."""
        asked = self._encoder.encode([question])[0]
        best: dict[str, float] = {}
        vectors = self._library.rows_of([scored.passage.passage_id for scored in ranking])
        for scored in ranking:
            if scored.passage.passage_id in vectors:
                doc_id, (_, vector) = scored.passage.doc_id, vectors[scored.passage.passage_id]
                best[doc_id] = max(best.get(doc_id, -1.0), float(np.dot(asked, vector)))
        return best
