"""Multi-hop questions over triples: plan a path of relations (:mod:`kg.plan`), then ground it in the graph.

The grounded path explains the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kg.graph import KnowledgeGraph
from kg.plan import Plan, Planner, TextEncoder
from kg.types import Claim, Provenance


@dataclass(frozen=True)
class Path:
    """A grounded plan: the claims in the order of the walk.

    Attributes:
        answer: the entity at the end of the path.
        claims: one per hop.
        sources: for each claim, all its sources.
        score: the plan's.
    """

    answer: str
    claims: tuple[Claim, ...]
    sources: tuple[tuple[Provenance, ...], ...]
    score: float

    def __str__(self) -> str:
        hops = "".join(f" -[{relation}]-> {target}" for _, relation, target in self.claims)
        return f"{self.claims[0][0]}{hops}" if self.claims else self.answer


class Walker:
    """Answers questions by walking a graph; arguments as for :class:`kg.plan.Planner`."""

    def __init__(self, graph: KnowledgeGraph, encoder: TextEncoder, max_hops: int = 3, max_plans: int = 1024) -> None:
        self._graph = graph
        self.planner = Planner(graph, encoder, max_hops, max_plans)

    def walk(self, question: str, top_k: int = 5) -> list[Path]:
        """The ``top_k`` best paths, best first; none if the question names no subject in the graph.

        Paths of one plan are ordered by their number of sources, then by name.
        """
        return self.ground_all(self.planner.plan(question), top_k)

    def ground_all(self, plans: Sequence[Plan], top_k: int) -> list[Path]:
        """The first ``top_k`` walks along the plans, in their order."""
        paths: list[Path] = []
        for plan in plans:
            paths += self.ground(plan)
            if len(paths) >= top_k:
                break
        return paths[:top_k]

    def ground(self, plan: Plan) -> list[Path]:
        """Every walk along a plan's relations, best supported first, ties by answer."""
        walks: list[tuple[Claim, ...]] = [()]
        for relation in plan.relations:
            walks = [
                (*walk, claim)
                for walk in walks
                for claim in self._graph.claims_about(walk[-1][2] if walk else plan.subject)
                if claim[1] == relation
            ]
        paths = [
            Path(walk[-1][2], walk, tuple(self._graph.sources(claim) for claim in walk), plan.score)
            for walk in walks
            if walk
        ]
        return sorted(paths, key=lambda path: (-min(map(len, path.sources)), path.answer, path.claims))
