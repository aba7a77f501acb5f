"""Why the graph retriever ranks a passage where it does: the shares of its score, and the paths that lead to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kg.walk import Path, Plan, Walker
from rag.core.passages import Passage, ScoredPassage
from rag.core.retrieval import GraphPath, Hop
from retrievers.graph.index import GraphIndex
from retrievers.graph.rank import Ranking, common_entity

_MAX_CLAIM_PATHS = 3
# A chain worth less than this, in units of cosine, did not bring its passage here.
_MIN_CHAIN = 0.1


@dataclass(frozen=True)
class Evidence:
    """Why a passage ranks where it does.

    Attributes:
        scored: the passage and its score, the sum of the three parts that follow.
        similarity: likeness to the question and its clauses (cosine).
        entities: entities of the question that it holds.
        chain: worth of the best chain that leads to it.
        via: the passage that the chain starts from; ``None`` without one.
        entity: the name that links the two; empty without a chain.
    """

    scored: ScoredPassage
    similarity: float
    entities: float
    chain: float
    via: Passage | None = None
    entity: str = ""


def build_evidence(index: GraphIndex, ranking: Ranking, row: int) -> Evidence:
    """Where the score of the passage at ``row`` comes from."""
    seed = int(ranking.via[row])
    return Evidence(
        ScoredPassage(index.passages[row], float(ranking.scores[row])),
        similarity=float(ranking.similarity[row]),
        entities=float(ranking.entities[row]),
        chain=float(ranking.chains[row]),
        via=index.passages[seed] if seed >= 0 else None,
        entity=common_entity(index, seed, row) if seed >= 0 else "",
    )


def chains(evidence: Iterable[Evidence]) -> tuple[GraphPath, ...]:
    """The chain behind each passage that one brought: the passage it starts from, the name, the passage it leads to."""
    return tuple(
        GraphPath(item.scored.passage.passage_id, "chain", (_hop(item.via, item),), item.chain)
        for item in evidence
        if item.via is not None and item.chain >= _MIN_CHAIN
    )


def claim_paths(walker: Walker, plans: Sequence[Plan], passage_ids: Sequence[str]) -> tuple[GraphPath, ...]:
    """The best walks along claims that start at a name of the question and stand in ``passage_ids`` alone."""
    allowed = set(passage_ids)
    paths = (_claim_path(path, allowed) for path in walker.ground_all(plans, _MAX_CLAIM_PATHS))
    return tuple(path for path in paths if path is not None)


def _hop(via: Passage, item: Evidence) -> Hop:
    target = item.scored.passage
    return Hop(via.title or via.passage_id, item.entity, target.title or target.passage_id, via.passage_id)


def _claim_path(path: Path, allowed: set[str]) -> GraphPath | None:
    hops = []
    for claim, sources in zip(path.claims, path.sources, strict=True):
        places = [source.passage_id for source in sources if source.passage_id in allowed]
        if not places:
            return None
        hops.append(Hop(*claim, places[0]))
    return GraphPath(hops[-1].passage_id, "claims", tuple(hops), path.score) if hops else None
