"""The base class of this engine's retrievers: a LangChain retriever that also ranks many queries at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from rag.core.passages import Passage, ScoredPassage
from rag.core.retrieval import Found, StageRanking
from rag.library.base import Library


class BatchRetriever(BaseRetriever):
    """A ``BaseRetriever`` with :meth:`search`, which ranks a batch of questions in one call.

    Attributes:
        top_k: number of passages that ``invoke`` returns.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    top_k: int = 4

    @abstractmethod
    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        """The ranking of each query: at most ``top_k`` passages, best first, ties by passage_id."""

    def find(self, queries: Sequence[str], top_k: int) -> list[Found]:
        """The rankings of :meth:`search` with their traces; retrievers of several parts add more to them."""
        stage = type(self).__name__.removesuffix("Retriever").lower()
        return [
            Found(tuple(ranking), (build_stage_ranking(stage, ranking),)) for ranking in self.search(queries, top_k)
        ]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        ranking = self.search([query], self.top_k)[0]
        return [scored.passage.to_document(scored.score) for scored in ranking]


def build_ranking(library: Library, hits: Iterable[tuple[int, float]]) -> list[ScoredPassage]:
    """The ranking of (row id, score) pairs; rows that were removed in the meantime are left out."""
    scores = dict(hits)
    passages = library.passages(list(scores))
    scored = [ScoredPassage(passage, scores[row_id]) for row_id, passage in passages.items()]
    return sorted(scored, key=lambda item: (-item.score, item.passage.passage_id))


def build_stage_ranking(stage: str, ranking: Iterable[ScoredPassage]) -> StageRanking:
    """A ranking in the form of the trace."""
    return StageRanking(stage, tuple((scored.passage.passage_id, scored.score) for scored in ranking))


def find(retriever: BaseRetriever, queries: Sequence[str], top_k: int) -> list[Found]:
    """The rankings of :func:`search` with their traces; those of a foreign retriever hold the ranking alone."""
    if isinstance(retriever, BatchRetriever):
        return retriever.find(queries, top_k)
    rankings = search(retriever, queries, top_k)
    return [Found(tuple(ranking), (build_stage_ranking(type(retriever).__name__, ranking),)) for ranking in rankings]


def search(retriever: BaseRetriever, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
    """Rank with any LangChain retriever. A foreign one decides the number of passages itself; it is cut to ``top_k``.

    A foreign document without a ``score`` in its metadata gets the reciprocal of its rank.
    """
    if isinstance(retriever, BatchRetriever):
        return retriever.search(queries, top_k)
    return [
        [
            ScoredPassage(Passage.from_document(document), float(document.metadata.get("score", 1 / rank)))
            for rank, document in enumerate(documents[:top_k], start=1)
        ]
        for documents in retriever.batch(list(queries))
    ]
