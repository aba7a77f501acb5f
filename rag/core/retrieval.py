"""What retrieval says about one question: rankings, graph paths and their trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rag.core.passages import ScoredPassage


@dataclass(frozen=True)
class Rewrite:
    """What is searched for instead of a question.

    Attributes:
        question: the clarified question, which stands without the conversation.
        queries: all that is searched for: the original question, the clarified one, its facets; all different.
    """

    question: str
    queries: tuple[str, ...]


@dataclass(frozen=True)
class StageRanking:
    """What one stage of retrieval said: passage ids and its scores, best first."""

    stage: str
    hits: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Hop:
    """One step of a path: subject, the relation or the shared name that leads on, object, and where it stands."""

    subject: str
    relation: str
    object: str
    passage_id: str


@dataclass(frozen=True)
class GraphPath:
    """How the graph leads to a passage.

    Attributes:
        passage_id: the passage.
        kind: ``chain`` (passages linked by a name) or ``claims`` (triples that the passage makes).
        hops: the steps, in order.
        score: worth of the path, comparable within one kind and question.
    """

    passage_id: str
    kind: Literal["chain", "claims"]
    hops: tuple[Hop, ...]
    score: float

    def __str__(self) -> str:
        return self.hops[0].subject + "".join(f" -[{hop.relation}]-> {hop.object}" for hop in self.hops)


@dataclass(frozen=True)
class Found:
    """What retrieval brought for one question.

    Attributes:
        ranking: passages, best first.
        stages: the ranking of every part, in the order they ran.
        paths: how the graph leads to passages of ``ranking``.
    """

    ranking: tuple[ScoredPassage, ...]
    stages: tuple[StageRanking, ...] = ()
    paths: tuple[GraphPath, ...] = ()


@dataclass(frozen=True)
class Trace:
    """How the passages of an answer were found.

    Attributes:
        complexity: length class of the question: ``simple`` (up to 10 words), ``compound`` (up to 14) or ``multihop``
            (longer). The number of words alone decides. Empty where passages were given.
        queries: what was searched for.
        is_from_cache: cached passages were enough, nothing was retrieved.
        num_retrieved: passages that retrieval brought.
        stages: the ranking of every part, the filter's last.
    """

    complexity: str = ""
    queries: tuple[str, ...] = ()
    is_from_cache: bool = False
    num_retrieved: int = 0
    stages: tuple[StageRanking, ...] = ()
