"""The patches of one library, ``engine.patches``: build them, look at them, and use them for a question."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from rag.core.answer import PatchUse
from rag.core.encoding import Encoder
from rag.core.errors import LibraryError, PatchError, SettingError, StorageError
from rag.core.passages import ScoredPassage
from rag.core.process.lazy import lazy_property
from rag.core.process.progress import Progress
from rag.core.query import Query
from rag.core.settings.config import Config
from rag.generation.base import Adapter, AdapterRunner, Generator
from rag.generation.load import load_generator
from rag.generation.transformers.generator import TransformersGenerator
from rag.library.base import Library
from rag.library.find import find_documents
from rag.models.loading import resolve_device
from rag.models.sentence_encoder import SentenceEncoder
from rag.patches.adapters import AdapterBuilder
from rag.patches.base import BuildReport, PatchDocument, PatchInfo, Patching, PatchWriter
from rag.patches.base_model import BaseModel
from rag.patches.building import Builder, read_document
from rag.patches.choosing import Chooser
from rag.patches.profiles import load_profile
from rag.patches.questions.source import build_source
from rag.patches.ray_build import WorkerPlan, build_on_workers
from rag.patches.store.keys import match_keys, patch_key
from rag.patches.store.patch_store import PatchStore
from rag.patches.training.writer import GradientWriter


class PatchSet:
    """Patches of one library for one base model. Threads may share it.

    Args:
        library: whose documents.
        config: profile, gate and limits.
        encoder: of the questions; the library's vectors come from it.
        generator: gives the engine's generator, loaded when it is needed.
        writer: another :class:`PatchWriter` instead of the gradient writer.
        cache_salt: of the requests to the generator.
    """

    def __init__(
        self,
        library: Library,
        config: Config,
        encoder: Encoder,
        generator: Callable[[], Generator],
        writer: PatchWriter | None = None,
        cache_salt: str = "",
    ) -> None:
        self._library = library
        self._config = config
        self._custom_writer = writer
        self._cache_salt = cache_salt
        self._profile = load_profile(config.patch_profile)
        self._hashes: tuple[int, dict[str, str]] = (-1, {})
        self._generator = generator
        self._model = BaseModel(config, generator)
        self.store = PatchStore(library.patch_files(), config.patch_store_mib, config.patch_memory_mib)
        portable = config.patch_portable
        self._encoder = encoder
        self._adapters = AdapterBuilder(self.store, encoder, lambda: self.base, config.patch_max_rank, portable)
        self._chooser = Chooser(
            library, self.store, encoder, lambda: self.base, self._writer_fingerprint, config.patch_gate, portable
        )

    @property
    def trainable(self) -> TransformersGenerator:
        """The engine's generator if it can be trained; else the configured model, loaded for training."""
        return self._model.trainable

    @property
    def base(self) -> str:
        """Fingerprint of the base model."""
        return self._model.fingerprint

    @lazy_property
    def writer(self) -> PatchWriter:
        """Makes the patches."""
        if self._custom_writer is not None:
            return self._custom_writer
        cache = self.store.scratch / "samples"
        source = build_source(self._profile, self.trainable, cache, self._cache_salt)
        return GradientWriter(self.trainable, self._profile, source, cache)

    def check_engine(self) -> None:
        """Refuse an engine that runs no patches, before any work is done for it.

        Raises:
            SettingError: it is vLLM, started without adapters.
            UnavailableError: it is a server that is down.
        """
        generator = self._generator()
        if isinstance(generator, AdapterRunner) and generator.max_adapter_rank == 0:
            raise SettingError(
                "this vLLM runs no patches; start it by 'concord serve-llm', or with engine_options = {enable_lora = "
                "true, max_lora_rank = 64}"
            )

    def build(
        self,
        docs: Sequence[str] = (),
        *,
        jobs: int | None = None,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> BuildReport:
        """Make the patches that are missing. Each is saved as soon as it is done, so a killed build can be resumed.

        Args:
            docs: sources, folders or doc_ids; all documents by default.
            jobs: most documents that train together; by default as many as memory takes.
            workers: processes that train, on Ray if there are several; each loads the configured model.
            progress: told of each document.

        Raises:
            LibraryError: a name that fits no document.
            ModelError: the model cannot be patched.
            SettingError: Ray is not installed, or has no room for the workers.
        """
        hashes = self._match_documents(docs)
        if workers == 1:
            return self.build_part(hashes, jobs=jobs, progress=progress)
        if self._custom_writer is not None:
            raise SettingError(
                "workers=1 is needed for a patch writer of your own; the workers have the configured one"
            )
        # A GPU each, where the model runs on GPUs here.
        plan = WorkerPlan(workers, jobs, float(resolve_device(self._config.device) == "cuda"))
        opener = partial(_open_patch_set, self._library.opener(), self._config.updated(engine="transformers"))
        return build_on_workers(opener, hashes, plan, progress or Progress())

    def build_part(
        self,
        hashes: Mapping[str, str],
        *,
        jobs: int | None = None,
        companions: Collection[str] = (),
        progress: Progress | None = None,
    ) -> BuildReport:
        """:meth:`build` in this process, of documents by their content hash.

        Args:
            hashes: content hash by doc_id.
            jobs, progress: as for :meth:`build`.
            companions: content hashes of documents that other processes build at this time; their patches stay.
        """
        documents = [read_document(self._library, doc_id, content_hash) for doc_id, content_hash in hashes.items()]
        return self._builder(jobs).build(documents, progress or Progress(), companions)

    def find_or_build(self, documents: Sequence[PatchDocument]) -> list[PatchUse | None]:
        """The patch of each document at full weight, made now where it is missing; ``None`` for one that makes none.

        The library need not hold the documents: an experiment that chooses patches by hand brings its own.

        Raises:
            ModelError: the model cannot be patched.
            PatchError: the store has no room for all of them.
        """
        keys = [patch_key(document.content_hash, self.base, self._writer_fingerprint) for document in documents]
        if len(self.store.known(keys)) < len(set(keys)):
            by_key = dict(zip(keys, documents, strict=True))
            report = self._builder().build(list(by_key.values()), Progress())
            if report.left_out:
                raise PatchError(report.warning)
        known = self.store.known(keys)
        return [
            PatchUse(document.doc_id, key, 1.0) if key in known else None
            for key, document in zip(keys, documents, strict=True)
        ]

    def ls(self) -> list[PatchInfo]:
        """Every patch of the store, by document."""
        return self.store.ls()

    def patched(self) -> set[str]:
        """The documents whose present text has a patch by this writer; no model is loaded to find out."""
        hashes, writer = self._live_hashes(), self._writer_fingerprint
        infos = (info for info in self.store.ls() if info.writer == writer and info.base_name == self._model.name)
        return {info.doc_id for info in infos if hashes.get(info.doc_id) == info.content_hash}

    def inspect(self, key: str) -> PatchInfo:
        """One patch, its weights checked.

        Raises:
            PatchError: there is none, or it is damaged.
        """
        return self.store.load((match_keys(self.store.ls(), key) or [key])[0])[0]

    def remove(self, names: Sequence[str]) -> list[str]:
        """Remove patches by key (its beginning is enough) or by document; returns their keys.

        Raises:
            PatchError: a name that fits none; nothing is removed then.
        """
        infos = self.store.ls()
        keys = list(dict.fromkeys(key for name in names for key in match_keys(infos, name) or [name]))
        self.store.remove(keys)
        return keys

    def patch(self, query: Query, ranking: Sequence[ScoredPassage]) -> Patching:
        """The patches of a question: those of the retrieved documents that are relevant to it, composed.

        A question that has passages is answered without a patch that cannot be had, and the notice says so.

        Raises:
            PatchError: ``only`` was asked for and no retrieved document has a patch; or all of them are gone or
                damaged, or were made for another model.
            StorageError: ``only`` was asked for, and the store is out of reach.
            SettingError: ``only`` was asked for, and the engine does not run adapters of their rank.
        """
        try:
            uses = tuple(self._chooser.choose(query, ranking, self._live_hashes()))
            patching = self._compose(uses, must_have=query.patches == "only")
            for adapter in (patching.adapter, *(recital.adapter for recital in patching.recitals)):
                self._check_adapter(adapter)
            return patching
        except (PatchError, StorageError, SettingError) as error:
            if query.patches == "only":
                raise
            return Patching(notice=f"Answered without patches: {error}.")

    def weights(self, question: str, ranking: Sequence[ScoredPassage]) -> dict[str, float]:
        """Weight of each retrieved document's patch, by relevance; documents of weight 0 are left out."""
        return self._chooser.weigh(question, ranking)

    def adapter(self, uses: Sequence[PatchUse]) -> Adapter | None:
        """Patches as one adapter, named by what it is made of; ``None`` for none."""
        return self._adapters.build(uses)

    def use(self, uses: Sequence[PatchUse]) -> Patching:
        """What chosen patches do for a question, by the configured profile: answer together, or recite one by one.

        Raises:
            PatchError: a patch is gone or damaged, or was made for another model.
        """
        if self._custom_writer is None and self._profile.style == "recite":
            recitals = self._adapters.build_recitals(uses)
            return Patching(uses=tuple(recital.use for recital in recitals), recitals=recitals)
        return Patching(self.adapter(uses), tuple(uses))

    def _compose(self, uses: tuple[PatchUse, ...], *, must_have: bool) -> Patching:
        """The adapter of those patches that are still there: one may be evicted after it was chosen."""
        try:
            return self.use(uses)
        except PatchError as error:
            usable = tuple(use for use in uses if self._is_usable(use))
            if must_have and not usable:
                raise
            lost = ", ".join(use.doc_id for use in uses if use not in usable)
            return replace(self.use(usable), notice=f"Answered without the patch of {lost}: {error}.")

    def _check_adapter(self, adapter: Adapter | None) -> None:
        generator = self._generator()
        if adapter is not None and isinstance(generator, AdapterRunner):
            generator.check_adapter(adapter)

    def _is_usable(self, use: PatchUse) -> bool:
        try:
            return bool(self.use([use]).uses)
        except PatchError:
            return False

    def _builder(self, jobs: int | None = None) -> Builder:
        return Builder(self.store, self.writer, self._encoder, self._profile.name, self._model.name, jobs)

    @property
    def _writer_fingerprint(self) -> str:
        return self._custom_writer.fingerprint if self._custom_writer else self._profile.fingerprint()

    def _match_documents(self, docs: Sequence[str]) -> dict[str, str]:
        """Content hash of the chosen documents."""
        hashes = self._live_hashes()
        if not hashes:
            raise LibraryError(f"the library at {self._library.place} is empty; add documents first")
        if not docs:
            return hashes
        return {doc_id: hashes[doc_id] for doc_id in find_documents(self._library, docs)}

    def _live_hashes(self) -> dict[str, str]:
        generation = self._library.generation
        if self._hashes[0] != generation:
            self._hashes = (generation, self._library.hashes(is_live=True))
        return self._hashes[1]


def _open_patch_set(open_library: Callable[[], Library], config: Config) -> PatchSet:
    """The patches of a library in another process, with a model of its own."""
    generator = load_generator(config)
    return PatchSet(open_library(), config, SentenceEncoder(config), lambda: generator)
