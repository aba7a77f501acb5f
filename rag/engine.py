"""The engine: what a program uses.

engine = Engine.open("library/")
engine.add(["docs/", "notes.md"])
answer = engine.ask("Who runs the harbour?", decoder="dial")

Longer than other modules: it is the whole public surface, with the docstrings that teach it, and little else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever

from kg.types import Extractor
from rag.core.answer import Answer, TokenEvent
from rag.core.encoding import Encoder
from rag.core.errors import LibraryError, SettingError
from rag.core.passages import Passage, ScoredPassage, rank_passages
from rag.core.process.lazy import lazy_property
from rag.core.process.progress import Progress, Report
from rag.core.process.ray_workers import RayWorkers
from rag.core.process.threads import configure_threads_before_torch
from rag.core.query import Query
from rag.core.reports import AddReport, DocumentInfo
from rag.core.settings.config import Config
from rag.core.settings.options import build_query
from rag.generation.base import Generator
from rag.ingest.add import Ingestor
from rag.ingest.ray_add import on_workers
from rag.ingest.source import Source
from rag.library.base import Library
from rag.library.encoder import CheckedEncoder
from rag.library.find import find_documents
from rag.library.open import open_library
from rag.library.vectors.store import MakeStore
from rag.models.sentence_encoder import EmbeddingsEncoder, SentenceEncoder
from rag.pipeline.build import build, build_search
from rag.pipeline.components import Components
from rag.pipeline.run import Pipeline, collect, run_stages
from rag.pipeline.state import State, given_state, new_state
from rag.pipeline.timings import Timings
from retrievers.graph.entries import RuleEntryWriter
from retrievers.graph.retriever import GraphRetriever

if TYPE_CHECKING:
    from rag.library.checking import Finding
    from rag.patches.patchset import PatchSet


class Engine:
    """One library and the models that answer from it. Models are loaded on first use; threads may share it."""

    def __init__(
        self,
        library: Library,
        config: Config,
        *,
        encoder: Encoder | None = None,
        retriever: BaseRetriever | None = None,
        vector_store: MakeStore | None = None,
        generator: Generator | Callable[[], Generator] | None = None,
        cache_salt: str = "",
    ) -> None:
        """As :meth:`open`, from ready parts.

        Args:
            library: where passages are kept.
            config: the settings.
            encoder: replaces the configured encoder.
            retriever, vector_store: as for :meth:`open`.
            generator: as for :meth:`open`, or a function that is called whenever the generator is needed.
            cache_salt: requests carry it: two tenants' engines on one generator share no rows and no prefixes.
        """
        configure_threads_before_torch()  # a program that is not ours has not set them
        self.library = library
        self.config = config
        self._own_encoder = encoder
        self._encoder = CheckedEncoder(encoder or SentenceEncoder(config), library)
        self._has_own_retrievers = retriever is None
        self._cache_salt = cache_salt
        self._adding = RLock()  # one change of the library at a time; questions are answered meanwhile
        self.components = Components(
            library,
            config,
            self._encoder,
            retriever=retriever,
            vector_store=vector_store,
            generator=generator,
            cache_salt=cache_salt,
        )

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        must_exist: bool = False,
        config: Config | None = None,
        embeddings: Embeddings | None = None,
        retriever: BaseRetriever | None = None,
        vector_store: MakeStore | None = None,
        generator: Generator | None = None,
        on_upgrade: Report | None = None,
        **settings: Any,
    ) -> Engine:
        """Open the library at ``path`` (made on first use).

        Args:
            path: the library's folder, or ``postgresql://[user@]host/DATABASE/LIBRARY``.
            must_exist: refuse to make a new library.
            config: all settings at once; ``settings`` change single ones.
            embeddings: any LangChain ``Embeddings``; replaces the configured encoder.
            retriever: any LangChain retriever; replaces the library's own.
            vector_store: makes a LangChain vector store that the library's vectors are searched in, from the
                embeddings to use and a name that is this library's alone.
            generator: any :class:`rag.generation.base.Generator`; replaces the configured model.
            on_upgrade: is told how many of how many passages are done, where an earlier version made the library.
            **settings: fields of :class:`rag.core.settings.config.Config`.

        Raises:
            SettingError, LibraryError, StorageError, UnavailableError: see :mod:`rag.core.errors`.
        """
        config = config.updated(**settings) if config else Config.load(**settings)
        library = open_library(path, must_exist=must_exist, report=on_upgrade)
        encoder = EmbeddingsEncoder(embeddings) if embeddings else None
        return cls(
            library, config, encoder=encoder, retriever=retriever, vector_store=vector_store, generator=generator
        )

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the library, and the generator if this engine loaded it."""
        self.components.close()
        self.library.close()

    def add(
        self,
        items: Iterable[str | Path | Document | Source] | str | Path | Document,
        progress: Progress | None = None,
        *,
        sync: bool = False,
        folders: Sequence[str] | None = None,
        workers: int = 1,
    ) -> AddReport:
        """Add files, folders (recursively) and LangChain documents; what cannot be read is reported, not fatal.

        A source that has not changed is left alone, one that has is replaced. Files are parsed in a process of their
        own, within the limits of the settings ``parse_*``. LangChain documents with one ``source`` are parts of one
        document. A file that moved keeps one document. Either all additions of one call are in the library or none;
        the next call continues one that was interrupted. Items may come from a generator: they are read as they come,
        in bounded memory.

        Args:
            items: what to add.
            progress: is told of every source.
            sync: remove documents below the named folders whose file is gone. Otherwise the report names them.
            folders: the folders of sources that are names only, such as uploads; nothing is looked for on this machine
                then. By default the folders among ``items``.
            workers: processes that read and encode; several run on Ray, on the cluster that ``RAY_ADDRESS`` names or on
                this machine. The library must be within their reach.

        Raises:
            SettingError: Ray is not installed or has no room for so many workers.
            LibraryError: the library was made with another encoder.
            StorageError: the disk is full, another process is writing, or the vector store is down.
        """
        if self.components.vectors is not None:
            self.components.vectors.check_reachable()
        stream = [items] if isinstance(items, (str, Path, Document)) else items
        with self._adding:
            ingestor = Ingestor(
                self.library,
                self._encoder,
                self.config,
                progress or Progress(),
                entry_writer=RuleEntryWriter(),
                folders=folders,
                sync=sync,
                workers=self._add_workers(workers),
            )
            report = ingestor.add(stream)
            self._write_vectors()
            return report

    def remove(self, sources: Iterable[str | Path]) -> list[DocumentInfo]:
        """Remove documents by source or doc_id; a folder removes every document below it.

        Raises:
            LibraryError: a name that fits no document; nothing is removed then.
        """
        chosen = find_documents(self.library, sources)
        with self._adding, self.library.writing():
            self.library.remove(list(chosen))
        self._write_vectors()
        return list(chosen.values())

    def documents(self) -> list[DocumentInfo]:
        """The documents of the library, by source."""
        return self.library.documents()

    def check(self, *, is_repairing: bool = False) -> list[Finding]:
        """Check the parts of the library against each other, and repair them if asked to.

        Raises:
            StorageError: another process is writing, or the library is out of reach.
        """
        from kg.codec import is_readable

        with self._adding:
            findings = self.library.check(self._encoder, is_readable, is_repairing=is_repairing)
            if is_repairing:
                self.graph.indexer.update()
                self._write_vectors(is_anew=True)
            return findings

    def retrieve(self, questions: Sequence[str], top_k: int | None = None) -> list[list[ScoredPassage]]:
        """The ranking of each question; no generator is loaded, unless a setting asks for one."""
        queries = [self.query(question, top_k=top_k, abstain=False, question_cache=False) for question in questions]
        return [list(state.ranking) for state in self.search(queries)]

    def search(self, queries: Sequence[Query]) -> list[State]:
        """The stages up to the passages, for ready queries; each state says how its passages were found."""
        self._check_readable()
        return run_stages(build_search(self.components), list(map(new_state, queries)), Timings())

    def ask(self, question: str, **options: Any) -> Answer:
        """Answer one question; options as in :meth:`ask_many`."""
        return self.ask_many([question], **options)[0]

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        on_answer: Callable[[int, Answer], None] | None = None,
        **options: Any,
    ) -> list[Answer]:
        """Answer questions as one batch.

        Args:
            questions: what to ask.
            on_answer: called with the index and the answer as each is finished.
            **options: ``decoder`` and its settings (``alpha``, ``floor``, ``profile`` ...), ``top_k``, ``history``,
                ``patches`` (``off``, ``auto``: passages and patches, ``only``: patches without passages),
                ``skill`` (``auto``, ``none``, a skill's name or folder), ``read_by`` (``encoder``, ``skill``,
                ``both``), and the fields of :class:`rag.core.query.Search` and :class:`rag.core.query.Sampling`.

        Raises:
            QuestionError, SettingError, LibraryError, ModelError: see :mod:`rag.core.errors`.
        """
        queries = [self.query(question, **options) for question in questions]
        self._check_readable()
        return collect(self.pipeline.run(list(map(new_state, queries))), len(queries), on_answer)

    def answer_with(
        self,
        questions: Sequence[str],
        passages: Sequence[Sequence[Passage]],
        *,
        on_answer: Callable[[int, Answer], None] | None = None,
        **options: Any,
    ) -> list[Answer]:
        """Answer questions from given passages, best first; options as in :meth:`ask_many`.

        Nothing is retrieved. Every other stage runs as it does for :meth:`ask_many`.
        """
        states = [
            given_state(self.query(question, **options), rank_passages(chosen))
            for question, chosen in zip(questions, passages, strict=True)
        ]
        return collect(self.pipeline.run(states), len(states), on_answer)

    def stream(
        self, question: str, *, passages: Sequence[Passage] | None = None, **options: Any
    ) -> Iterator[TokenEvent | Answer]:
        """The answer's pieces as they come, then the :class:`Answer`; options as in :meth:`ask_many`.

        With ``passages`` the answer is made from those, as in :meth:`answer_with`. Closing the iterator stops the
        generation.
        """
        query = self.query(question, **options)
        if passages is None:
            self._check_readable()
            state = new_state(query)
        else:
            state = given_state(query, rank_passages(passages))
        for _, event in self.pipeline.run([state]):
            yield event

    def query(self, question: str, **options: Any) -> Query:
        """A checked :class:`Query` from a question and options (:func:`rag.core.settings.options.build_query`)."""
        salted = {"cache_salt": self._cache_salt} | options
        query = build_query(question, salted, self.config, has_own_retrievers=self._has_own_retrievers)
        if query.patches == "only":
            self.patches.check_engine()
        return query

    @property
    def retriever(self) -> BaseRetriever:
        """The given retriever, or the configured one over the library."""
        return self.components.retriever(self.config.retrieval)

    @property
    def graph(self) -> GraphRetriever:
        """Retrieval along the library's knowledge graph."""
        return self.components.graph

    @lazy_property
    def pipeline(self) -> Pipeline:
        """The stages over this engine's components."""
        return build(self.components)

    @property
    def extractors(self) -> Sequence[Extractor]:
        """What reads passages for the knowledge graph."""
        return self.components.extractors

    @property
    def generator(self) -> Generator:
        """The given generator, or the configured model, loaded on first use."""
        return self.components.generator()

    @property
    def patches(self) -> PatchSet:
        """The library's documents as LoRA patches."""
        return self.components.patches

    def _add_workers(self, num_workers: int) -> Callable[[], AbstractContextManager[RayWorkers]] | None:
        if num_workers < 1:
            raise SettingError(f"workers={num_workers}; expected 1 or more")
        if num_workers == 1:
            return None
        encoder = self._own_encoder or SentenceEncoder(self.config)
        return partial(on_workers, num_workers, self.library, encoder, self.config, RuleEntryWriter())

    def _write_vectors(self, *, is_anew: bool = False) -> None:
        """Bring the vector store elsewhere, if there is one, up to the library."""
        if self.components.vectors is not None:
            with self._adding, self.library.writing():
                self.components.vectors.write(is_anew=is_anew)

    def _check_readable(self) -> None:
        if not self._has_own_retrievers:
            return
        if self.library.num_passages == 0:
            raise LibraryError(
                f"the library at {self.library.place} is empty; add documents first: "
                f"concord add {self.library.place} PATH..."
            )
        self.library.check_encoder(self._encoder.name)
