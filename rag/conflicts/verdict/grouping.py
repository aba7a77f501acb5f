"""From readings to positions: which passages give the same answer, and how many independent sources that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rag.conflicts.answers.same import Sameness, fullest, normalize, same_answer
from rag.core.verdict import Position, Reading

Same = Callable[[str, str, str], Sameness]
"""How two answers to a question relate: (one, other, question)."""

# Above this many different wordings, answers are compared only with the positions that have most sources.
MAX_COMPARED = 60


@dataclass
class _Group:
    answers: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)


def group_readings(
    readings: Sequence[Reading],
    question: str = "",
    *,
    copies: Mapping[str, str] | None = None,
    same: Same = same_answer,
) -> tuple[Position, ...]:
    """Positions, the leading one first. Readings without an answer are left out.

    An answer that fits two positions which differ ("Bell", of "Ann Bell" and "Tom Bell") joins the one with more
    sources.

    Args:
        readings: best passage first.
        question: what they answer.
        copies: by passage_id, the first passage of its group of copies
            (:func:`rag.conflicts.verdict.copies.find_copies`).
        same: compares two answers.
    """
    wordings: dict[str, _Group] = {}
    for reading in readings:
        if reading.answer.strip():
            group = wordings.setdefault(normalize(reading.answer) or reading.answer.strip(), _Group())
            group.answers.append(reading.answer)
            group.readings.append(reading)
    order = {id(reading): place for place, reading in enumerate(readings)}
    merged = _merge(list(wordings.values()), question, same)
    return lead([_position(group, order, copies or {}) for group in merged])


def lead(positions: Sequence[Position]) -> tuple[Position, ...]:
    """Positions by weight: those that nothing supersedes, more independent sources, surer readings, newer ones."""
    by_date = sorted(positions, key=lambda position: position.date, reverse=True)
    return tuple(sorted(by_date, key=lambda p: (p.is_superseded, -p.num_sources, -round(p.confidence, 6))))


def count_sources(readings: Sequence[Reading], copies: Mapping[str, str]) -> int:
    """Independent sources: passages of one document, and copies, count once."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents.setdefault(name, name) != name:
            name = parents[name]
        return name

    for reading in readings:
        document, first = f"doc {reading.doc_id}", f"text {copies.get(reading.passage_id, reading.passage_id)}"
        parents[root(document)] = root(first)
    return len({root(f"doc {reading.doc_id}") for reading in readings})


def _merge(groups: list[_Group], question: str, same: Same) -> list[_Group]:
    """Wordings of one answer together; the fullest wordings first, so that a short form finds its full one."""
    groups.sort(key=lambda group: (-len(fullest(group.answers)), -len(group.readings)))
    merged: list[_Group] = []
    for group in groups:
        near = sorted(merged, key=lambda other: -len(other.readings))[:MAX_COMPARED]
        fitting = next((other for other in near if _fits(group, other, question, same)), None)
        if fitting is None:
            merged.append(group)
        else:
            fitting.answers += group.answers
            fitting.readings += group.readings
    return merged


def _fits(group: _Group, other: _Group, question: str, same: Same) -> bool:
    answer = group.answers[0]
    return all(same(answer, wording, question) != "different" for wording in dict.fromkeys(other.answers))


def _position(group: _Group, order: Mapping[int, int], copies: Mapping[str, str]) -> Position:
    readings = sorted(group.readings, key=lambda reading: order[id(reading)])
    answers = list(dict.fromkeys(reading.answer for reading in readings))
    return Position(
        answer=fullest(answers).strip().rstrip(",;:").removesuffix(".") or answers[0],
        readings=tuple(readings),
        num_sources=count_sources(readings, copies),
        confidence=max(reading.confidence for reading in readings),
        date=max(reading.date for reading in readings),
    )
