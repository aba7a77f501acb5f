"""Explanations of the graph ranking: the parts of a passage's score, and the paths that lead to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kg.plan import Plan
from kg.walk import Path, Walker
from rag.core.passages import Passage, ScoredPassage
from rag.core.retrieval import GraphPath, Hop
from retrievers.graph.index import GraphIndex
from retrievers.graph.rank import Ranking, common_entity

_MAX_CLAIM_PATHS = 3
# A chain that adds less than this, in units of cosine, did not decide the rank of its passage.
_MIN_CHAIN = 0.1


@dataclass(frozen=True)
class Evidence:
    """The parts of a passage's score.

    Attributes:
        scored: the passage and its score, which is the sum of the next three.
        similarity: cosine to the question and its clauses.
        entities: from the question's entities in the passage.
        chain: from the best chain that leads to it.
        via: the passage where the chain starts; ``None`` without a chain.
        entity: the name that links both passages; empty without a chain.
    """

    scored: ScoredPassage
    similarity: float
    entities: float
    chain: float
    via: Passage | None = None
    entity: str = ""


def build_evidence(index: GraphIndex, ranking: Ranking, row: int) -> Evidence:
    """The parts of the score of the passage at ``row``."""
    seed = int(ranking.via[row])
    if seed >= 0 and not index.present([seed]):  # it was removed since
        seed = -1
    return Evidence(
        ScoredPassage(index.passages[row], float(ranking.scores[row])),
        similarity=float(ranking.similarity[row]),
        entities=float(ranking.entities[row]),
        chain=float(ranking.chains[row]),
        via=index.passages[seed] if seed >= 0 else None,
        entity=common_entity(index, seed, row) if seed >= 0 else "",
    )


def chains(evidence: Iterable[Evidence]) -> tuple[GraphPath, ...]:
    """The chain to each passage that has a strong one: from its first passage over a name to this passage."""
    return tuple(
        GraphPath(item.scored.passage.passage_id, "chain", (_hop(item.via, item),), item.chain)
        for item in evidence
        if item.via is not None and item.chain >= _MIN_CHAIN
    )


def claim_paths(walker: Walker, plans: Sequence[Plan], passage_ids: Sequence[str]) -> tuple[GraphPath, ...]:
    """The best paths of claims that start at a name of the question and use only claims in ``passage_ids``."""
    allowed = set(passage_ids)
    paths = (_claim_path(path, allowed) for path in walker.ground_all(plans, _MAX_CLAIM_PATHS))
    return tuple(path for path in paths if path is not None)


def _hop(via: Passage, item: Evidence) -> Hop:
    target = item.scored.passage
    return Hop(via.title or via.passage_id, item.entity, target.title or target.passage_id, via.passage_id)


def _claim_path(path: Path, allowed: set[str]) -> GraphPath | None:
    hops = []
    for claim, sources in zip(path.claims, path.sources, strict=True):
        allowed_ids = [source.passage_id for source in sources if source.passage_id in allowed]
        if not allowed_ids:
            return None
        hops.append(Hop(*claim, allowed_ids[0]))
    return GraphPath(hops[-1].passage_id, "claims", tuple(hops), path.score) if hops else None
