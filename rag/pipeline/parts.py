"""The parts of the pipeline's front half, made from the settings when the first question needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from threading import RLock

import numpy as np
from langchain_core.retrievers import BaseRetriever
from numpy.typing import NDArray

from kg.types import Extractor
from rag.core.config import Config
from rag.core.encoding import Encoder, passage_text
from rag.core.passages import Passage
from rag.core.query import RetrievalKind
from rag.generation.base import Generator
from rag.library.base import Library
from rag.models.sentence_encoder import RecentEncoder
from retrievers.dense.retriever import DenseRetriever
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import HybridRetriever
from retrievers.judging.filter import KnowledgeFilter
from retrievers.judging.judges import EncoderJudge, ModelJudge
from retrievers.query.rewrite import ModelRewriter
from retrievers.question_cache.cache import QuestionCache, QuestionCacheSettings
from retrievers.sparse import SparseRetriever


class Parts:
    """Retrievers, judges, rewriter and memory over one library.

    Args:
        library: where passages are kept.
        config: the settings.
        encoder: the one that the library was made with.
        given: a LangChain retriever in the place of all of the library's.
        generator: loads the generator; called by the model's judge and rewriter only.
        extractors: what reads passages for the graph.
    """

    def __init__(
        self,
        library: Library,
        config: Config,
        encoder: Encoder,
        given: BaseRetriever | None,
        generator: Callable[[], Generator],
        extractors: Callable[[], Sequence[Extractor]],
    ) -> None:
        self._library = library
        self._config = config
        self._given = given
        self._generator = generator
        self._extractors = extractors
        self._lock = RLock()  # two threads' first questions must not make a part twice
        self.encoder = RecentEncoder(encoder)
        self.abstain_below = config.abstain_below

    def retriever(self, kind: RetrievalKind) -> BaseRetriever:
        """The given retriever, or the library's own of this kind."""
        if self._given is not None:
            return self._given
        with self._lock:
            match kind:
                case "dense":
                    return self._dense
                case "sparse":
                    return self._sparse
                case "graph":
                    return self._graph
                case "hybrid":
                    return HybridRetriever(graph=self._graph, sparse=self._sparse)

    def rewriter(self) -> ModelRewriter:
        """The generator as a rewriter."""
        return ModelRewriter(self._generator())

    def filter(self, judge: str) -> KnowledgeFilter:
        """The filter with one judge, ``encoder`` or ``model``."""
        made = ModelJudge(self._generator()) if judge == "model" else EncoderJudge(self.encoder, self._vectors_of)
        config = self._config
        return KnowledgeFilter(judge=made, threshold=config.filter_threshold, keep_floor=config.filter_keep)

    @property
    def graph(self) -> GraphRetriever:
        """Retrieval along the library's knowledge graph; the graph is kept between questions."""
        with self._lock:
            return self._graph

    @property
    def reservoir(self) -> QuestionCache:
        """The library's memory of passages that served."""
        with self._lock:
            return self._reservoir

    def close(self) -> None:
        """Close what was opened."""
        if "_reservoir" in self.__dict__:
            self._reservoir.close()

    @cached_property
    def _graph(self) -> GraphRetriever:
        return GraphRetriever(library=self._library, encoder=self.encoder, extractors=self._extractors())

    @cached_property
    def _reservoir(self) -> QuestionCache:
        config = self._config
        settings = QuestionCacheSettings(
            config.memory_tau, config.memory_theta, config.memory_ttl_s, config.memory_size
        )
        return QuestionCache(self._library, settings)

    @cached_property
    def _dense(self) -> BaseRetriever:
        return DenseRetriever(library=self._library, encoder=self.encoder)

    @cached_property
    def _sparse(self) -> SparseRetriever:
        return SparseRetriever(library=self._library)

    def _vectors_of(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        """``[len(passages), D]``, from the library where it has them."""
        known = self._library.rows_by_passage_id([passage.passage_id for passage in passages])
        others = [passage for passage in passages if passage.passage_id not in known]
        vectors = {name: vector for name, (_, vector) in known.items()}
        encoded = self.encoder.encode([passage_text(passage.title, passage.text) for passage in others])
        vectors |= {passage.passage_id: vector for passage, vector in zip(others, encoded, strict=True)}
        return np.stack([vectors[passage.passage_id] for passage in passages])
