"""What the stages work with: models, retrievers, judges, question cache, patches. Each is made on first use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.retrievers import BaseRetriever
from numpy.typing import NDArray

from kg.types import Extractor
from rag.conflicts.inquiry import Inquirer
from rag.conflicts.memory.calibration import Calibration, load_calibration
from rag.conflicts.reading.reader import Reader
from rag.core.encoding import Encoder, passage_text
from rag.core.errors import ConcordError
from rag.core.passages import Passage
from rag.core.process.lazy import lazy_property
from rag.core.query import RetrievalKind
from rag.core.settings.config import Config
from rag.generation.base import Generator
from rag.generation.load import generator_fingerprint, load_generator
from rag.library.base import Library
from rag.library.vectors.index import VectorStoreIndex
from rag.library.vectors.store import MakeStore, load_make_store
from rag.models.cache import calibrations_folder
from rag.models.sentence_encoder import RecentEncoder
from rag.skills.choose import NONE
from rag.skills.prompts import JUDGE_LABELS, judge_prompt
from rag.skills.room import make_room
from rag.skills.serving import SkillSet
from retrievers.dense.retriever import DenseRetriever
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import HybridRetriever
from retrievers.judging.encoder_judge import EncoderJudge
from retrievers.judging.filter import KnowledgeFilter
from retrievers.judging.model_judge import ModelJudge
from retrievers.query.rewrite import ModelRewriter
from retrievers.question_cache.cache import QuestionCache, QuestionCacheSettings
from retrievers.sparse import SparseRetriever

if TYPE_CHECKING:
    from rag.patches.patchset import PatchSet


class Components:
    """The parts of one engine over one library.

    Args:
        library: where passages are kept.
        config: the settings.
        encoder: the one that the library was made with.
        retriever: a LangChain retriever that replaces all of the library's own.
        vector_store: makes the LangChain vector store that names candidates; by default that of the settings, if any.
        generator: replaces the configured model; a function is called whenever the generator is needed.
        cache_salt: of the requests that patches and extractors send to the generator.
    """

    def __init__(
        self,
        library: Library,
        config: Config,
        encoder: Encoder,
        *,
        retriever: BaseRetriever | None = None,
        vector_store: MakeStore | None = None,
        generator: Generator | Callable[[], Generator] | None = None,
        cache_salt: str = "",
    ) -> None:
        self._library = library
        self._foreign_retriever = retriever
        self._foreign_generator = generator
        self._make_store = vector_store
        self.cache_salt = cache_salt
        self._opened_cache: QuestionCache | None = None
        self._mutex = RLock()  # two threads' first questions must not open the cache twice
        self.config = config
        self.encoder = RecentEncoder(encoder)

    def generator(self) -> Generator:
        """The foreign generator, or the configured model, which the first call loads."""
        if callable(self._foreign_generator):
            return self._foreign_generator()
        return self._foreign_generator or self._generator

    def retriever(self, kind: RetrievalKind) -> BaseRetriever:
        """The foreign retriever, or the library's own of this kind."""
        if self._foreign_retriever is not None:
            return self._foreign_retriever
        match kind:
            case "dense":
                return self._dense
            case "sparse":
                return self._sparse
            case "graph":
                return self.graph
            case "hybrid":
                return HybridRetriever(graph=self.graph, sparse=self._sparse)

    def inquirer(self) -> Inquirer:
        """What reads passages alone and asks the generator's memory."""
        generator = self.generator()
        return Inquirer(Reader(self.encoder), generator, lambda: self.calibration)

    @lazy_property
    def calibration(self) -> Calibration | None:
        """The generator's calibration; ``None`` if it has none."""
        try:
            fingerprint = generator_fingerprint(self.generator(), self.config)
        except ConcordError:  # the weights of an engine elsewhere may be out of reach
            return None
        return load_calibration(fingerprint, calibrations_folder(self.config.cache_dir))

    @lazy_property
    def skills(self) -> SkillSet:
        """The skills that the generator can run."""
        return SkillSet(self.config, self.generator)

    def rewriter(self) -> ModelRewriter:
        """The generator as a rewriter."""
        return ModelRewriter(self.generator())

    def filter(self, judge: str) -> KnowledgeFilter:
        """The filter with one judge, ``encoder`` or ``model``."""
        judges = self._model_judge() if judge == "model" else EncoderJudge(self.encoder, self._read_vectors)
        config = self.config
        return KnowledgeFilter(judge=judges, threshold=config.filter_threshold, keep_floor=config.filter_keep)

    def _model_judge(self) -> ModelJudge:
        """The generator as a judge; with the judge skill where one was measured to be better for its model."""
        skill = None if self.config.skill == NONE else self.skills.judge()
        if skill is None:
            return ModelJudge(self.generator())
        return ModelJudge(self.generator(), skill.adapter, judge_prompt, JUDGE_LABELS)

    @lazy_property
    def graph(self) -> GraphRetriever:
        """Retrieval along the library's knowledge graph; the graph is kept between questions."""
        return GraphRetriever(
            library=self._library, encoder=self.encoder, extractors=self.extractors, dense=self.vectors
        )

    @lazy_property
    def vectors(self) -> VectorStoreIndex | None:
        """The vector store that holds the library's vectors, if one was given or is among the settings."""
        make = self._make_store or (load_make_store(self.config.vector_store) if self.config.vector_store else None)
        return None if make is None else VectorStoreIndex(self._library, make, self.encoder)

    @lazy_property
    def extractors(self) -> Sequence[Extractor]:
        """What reads passages for the knowledge graph."""
        from kg.extract import NameExtractor
        from kg.model import ModelExtractor

        names = NameExtractor()
        if self.config.extractor == "rules":
            return (names,)
        return (names, ModelExtractor(self.generator(), cache_salt=self.cache_salt))

    @lazy_property
    def patches(self) -> PatchSet:
        """The library's documents as LoRA patches."""
        # Loads torch: not before a model is needed.
        from rag.patches.patchset import PatchSet

        return PatchSet(self._library, self.config, self.encoder, self.generator, cache_salt=self.cache_salt)

    def question_cache(self) -> QuestionCache:
        """The library's cache of passages that served earlier questions.

        Raises:
            SettingError: the library has none.
        """
        with self._mutex:
            if self._opened_cache is None:
                self._opened_cache = self._open_cache()
            return self._opened_cache

    def close(self) -> None:
        """Close what was opened here; a foreign generator stays open."""
        with self._mutex:
            if self._opened_cache is not None:
                self._opened_cache.close()
        if "_generator" in self.__dict__:
            self._generator.close()

    def _open_cache(self) -> QuestionCache:
        config = self.config
        settings = QuestionCacheSettings(
            config.question_cache_min_similarity,
            config.question_cache_min_hits,
            config.question_cache_ttl_s,
            config.question_cache_size,
        )
        return QuestionCache(self._library, settings)

    @lazy_property
    def _generator(self) -> Generator:
        return load_generator(make_room(self.config))

    @lazy_property
    def _dense(self) -> BaseRetriever:
        return DenseRetriever(library=self._library, encoder=self.encoder, dense=self.vectors)

    @lazy_property
    def _sparse(self) -> SparseRetriever:
        return SparseRetriever(library=self._library)

    def _read_vectors(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        """``[len(passages), D]``, from the library where it has them."""
        known = self._library.rows_by_passage_id([passage.passage_id for passage in passages])
        others = [passage for passage in passages if passage.passage_id not in known]
        vectors = {name: vector for name, (_, vector) in known.items()}
        encoded = self.encoder.encode(
            [passage_text(passage.title, passage.text, passage.heading) for passage in others]
        )
        vectors |= {passage.passage_id: vector for passage, vector in zip(others, encoded, strict=True)}
        return np.stack([vectors[passage.passage_id] for passage in passages])
