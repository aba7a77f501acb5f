"""What the stages work with: retrievers, judges, rewriter, question cache. Each is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock

import numpy as np
from langchain_core.retrievers import BaseRetriever
from numpy.typing import NDArray

from kg.types import Extractor
from rag.core.encoding import Encoder, passage_text
from rag.core.passages import Passage
from rag.core.process.lazy import lazy_property
from rag.core.query import RetrievalKind
from rag.core.settings.config import Config
from rag.generation.base import Generator
from rag.library.base import Library
from rag.models.sentence_encoder import RecentEncoder
from rag.patches.base import Patcher
from retrievers.dense.retriever import DenseRetriever
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import HybridRetriever
from retrievers.judging.filter import KnowledgeFilter
from retrievers.judging.judges import EncoderJudge, ModelJudge
from retrievers.query.rewrite import ModelRewriter
from retrievers.question_cache.cache import QuestionCache, QuestionCacheSettings
from retrievers.sparse import SparseRetriever


class Components:
    """The parts of one engine over one library.

    Args:
        library: where passages are kept.
        config: the settings.
        encoder: the one that the library was made with.
        foreign_retriever: a LangChain retriever that replaces all of the library's own.
        generator: gives the generator, loaded when it is first called.
        extractors: gives what reads passages for the graph.
        patcher: gives what chooses the patches of a question.
    """

    def __init__(
        self,
        library: Library,
        config: Config,
        encoder: Encoder,
        foreign_retriever: BaseRetriever | None,
        generator: Callable[[], Generator],
        extractors: Callable[[], Sequence[Extractor]],
        patcher: Callable[[], Patcher],
    ) -> None:
        self._library = library
        self._foreign_retriever = foreign_retriever
        self._extractors = extractors
        self._opened_cache: QuestionCache | None = None
        self._mutex = RLock()  # two threads' first questions must not open the cache twice
        self.config = config
        self.generator = generator
        self.patcher = patcher
        self.encoder = RecentEncoder(encoder)

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

    def rewriter(self) -> ModelRewriter:
        """The generator as a rewriter."""
        return ModelRewriter(self.generator())

    def filter(self, judge: str) -> KnowledgeFilter:
        """The filter with one judge, ``encoder`` or ``model``."""
        judges = ModelJudge(self.generator()) if judge == "model" else EncoderJudge(self.encoder, self._read_vectors)
        config = self.config
        return KnowledgeFilter(judge=judges, threshold=config.filter_threshold, keep_floor=config.filter_keep)

    @lazy_property
    def graph(self) -> GraphRetriever:
        """Retrieval along the library's knowledge graph; the graph is kept between questions."""
        return GraphRetriever(library=self._library, encoder=self.encoder, extractors=self._extractors())

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
        """Close what was opened."""
        with self._mutex:
            if self._opened_cache is not None:
                self._opened_cache.close()

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
    def _dense(self) -> BaseRetriever:
        return DenseRetriever(library=self._library, encoder=self.encoder)

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
