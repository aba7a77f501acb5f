"""Knowledge Filter: keep the retrieved passages that a judge accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict

from rag.core.passages import Passage, ScoredPassage
from retrievers.judging.base import Judge, Verdict


class KnowledgeFilter(BaseDocumentCompressor):
    """Keeps the passages that probably support an answer, in their order.

    Attributes:
        judge: a :class:`retrievers.judging.base.Judge`.
        threshold: minimum probability of ``entail``.
        keep_floor: this many of the likeliest are always kept, since the judge may be wrong.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    judge: Any  # retrievers.judging.base.Judge; pydantic does not validate protocols
    threshold: float = 0.2
    keep_floor: int = 2

    def filter(
        self, questions: Sequence[str], rankings: Sequence[Sequence[ScoredPassage]]
    ) -> list[tuple[list[ScoredPassage], list[Verdict]]]:
        """The kept part of each ranking, and the verdict on each of its passages. All questions are one batch."""
        judge: Judge = self.judge
        verdicts = judge.judge(questions, [[scored.passage for scored in ranking] for ranking in rankings])
        return [
            ([ranking[row] for row in self._accepted(judged)], judged)
            for ranking, judged in zip(rankings, verdicts, strict=True)
        ]

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """The interface of LangChain: the kept documents, with ``entail`` and ``verdict`` in their metadata."""
        judge: Judge = self.judge
        verdicts = judge.judge([query], [[Passage.from_document(document) for document in documents]])[0]
        return [
            documents[row].model_copy(
                update={
                    "metadata": documents[row].metadata
                    | {"entail": verdicts[row].entail, "verdict": verdicts[row].label}
                }
            )
            for row in self._accepted(verdicts)
        ]

    def _accepted(self, verdicts: Sequence[Verdict]) -> list[int]:
        likeliest = sorted(range(len(verdicts)), key=lambda row: (-verdicts[row].entail, row))[: self.keep_floor]
        return [row for row, verdict in enumerate(verdicts) if verdict.entail >= self.threshold or row in likeliest]
