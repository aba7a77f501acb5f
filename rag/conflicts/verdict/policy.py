"""Which positions the answer follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from rag.conflicts.values.dates import is_newer
from rag.conflicts.verdict.memory import says_same
from rag.core.errors import SettingError
from rag.core.verdict import Memory, Policy, Position, Verdict


@dataclass(frozen=True)
class Choice:
    """What the answer follows.

    Attributes:
        positions: the chosen ones, the leading one first; none where memory or nothing is followed.
        memory: followed in place of the documents; ``None`` where it is not.
        reason: why, for a person.
    """

    positions: tuple[Position, ...] = ()
    memory: Memory | None = None
    reason: str = ""


def choose(verdict: Verdict, policy: Policy = "documents") -> Choice:
    """The positions that the answer follows.

    ``documents``: the leading position; every one where several can be right, and every one with as many sources
    where nothing tells which is right. ``newest``: the one with the latest date; an undated one never wins by it.
    ``majority``: the one with most independent sources. ``balanced``: the best one by sources and confidence, memory
    being one more voice, weighed by how sure it is. ``all``: every position that nothing supersedes. ``memory``: the
    model's own answer.

    Raises:
        SettingError: there is no such policy.
    """
    if policy not in get_args(Policy):
        raise SettingError(f"policy must be one of {', '.join(get_args(Policy))}, not {policy!r}")
    if policy == "memory" and verdict.memory and verdict.memory.answer.strip():
        return Choice(memory=verdict.memory, reason="the model's memory was asked for")
    if not verdict.positions:
        return Choice(reason="the documents do not say")
    return _CHOOSERS[policy](verdict)


def list_supported(positions: Sequence[Position]) -> tuple[Position, ...]:
    """Positions with at least two independent sources where one has two; else every one.

    Where a name or a question means several things, each meaning tends to be stated more than once; a wrong answer
    stands alone. Source: measured on RAMDocs (``benchmarks/verdict_documents.py``).
    """
    strong = tuple(position for position in positions if position.num_sources >= 2)
    return strong or tuple(positions)


def _by_documents(verdict: Verdict) -> Choice:
    current = tuple(position for position in verdict.positions if not position.is_superseded)
    match verdict.kind:
        case "outdated":
            return Choice(current or verdict.positions[:1], reason="a newer document takes the place of an older one")
        case "complementary" | "opinions":
            return Choice(list_supported(current), reason="several answers can be right")
        case "misinformation":
            return Choice(verdict.positions[:1], reason="several independent documents agree on it")
        case "contradiction":
            return Choice(list_supported(current), reason="the documents contradict each other")
        case _:
            return Choice(verdict.positions[:1], reason="the documents say so")


def _by_date(verdict: Verdict) -> Choice:
    dated = [position for position in verdict.positions if position.date]
    newest = tuple(p for p in dated if not any(is_newer(other.date, p.date) for other in dated))
    if not newest:
        choice = _by_documents(verdict)
        return Choice(choice.positions, reason="no document has a date")
    return Choice(newest, reason=f"the latest date is {newest[0].date}")


def _by_majority(verdict: Verdict) -> Choice:
    largest = max(position.num_sources for position in verdict.positions)
    best = tuple(position for position in verdict.positions if position.num_sources == largest)
    reason = (
        f"{largest} independent documents say so" if largest > 1 else "no answer has more than one independent document"
    )
    return Choice(best, reason=reason)


def _by_balance(verdict: Verdict) -> Choice:
    """Source: Astute RAG (Wang et al. 2024): the most reliable group of consistent voices wins, memory among them."""
    memory = verdict.memory
    voice = memory.knows if memory is not None and memory.is_calibrated and memory.answer.strip() else 0.0
    agreeing = [memory is not None and voice > 0 and says_same(memory.answer, p, "") for p in verdict.positions]
    weights = [weigh(p) + voice * is_same for p, is_same in zip(verdict.positions, agreeing, strict=True)]
    best = max(range(len(weights)), key=lambda i: (not verdict.positions[i].is_superseded, weights[i], -i))
    if memory is not None and not any(agreeing) and voice > weights[best]:
        return Choice(memory=memory, reason="the model is surer than the documents together")
    return Choice((verdict.positions[best],), reason="it has the most reliable sources")


def weigh(position: Position) -> float:
    """The weight of a position: the sum of its independent sources' confidences, at best one each."""
    return position.num_sources * position.confidence


def _all(verdict: Verdict) -> Choice:
    current = tuple(position for position in verdict.positions if not position.is_superseded)
    return Choice(current or verdict.positions, reason="every answer was asked for")


_CHOOSERS = {
    "documents": _by_documents,
    "newest": _by_date,
    "majority": _by_majority,
    "balanced": _by_balance,
    "all": _all,
    "memory": _by_documents,
}
