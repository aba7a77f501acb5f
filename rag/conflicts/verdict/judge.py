"""From positions and memory to the verdict: which kind of difference this is, if there is one at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.conflicts.answers.same import is_list, normalize, same_answer
from rag.conflicts.values.dates import is_newer, read_validity
from rag.conflicts.verdict.copies import is_altered_copy
from rag.conflicts.verdict.grouping import Same, lead
from rag.conflicts.verdict.memory import does_know, says_same
from rag.conflicts.verdict.question import Asked, read_question
from rag.conflicts.verdict.summary import summarize
from rag.core.verdict import Memory, Position, Verdict, VerdictKind

# A position of one source is misinformation where another one has at least this many independent sources.
MIN_INDEPENDENT = 3
# Above this many positions a verdict says that there are many.
MANY_POSITIONS = 5
# A position under this share of the best one's confidence may be a misreading, so that it contradicts nobody. Not
# chosen on data.
MIN_CONFIDENCE_SHARE = 1 / 3

_OPINION = re.compile(
    r"\b(?:in (?:my|our|his|her|their) (?:opinion|view)|i (?:think|believe|feel|prefer|like|hate)|"
    r"we (?:think|believe)|"
    r"arguably|should|ought to|the best|the worst|beautiful|ugly|wonderful|terrible|favou?rite|critics|praised|"
    r"criticised|criticized|argues?|argued|disputed|controversial)\b",
    re.IGNORECASE,
)
_QUALIFIER = re.compile(r"\(([^()]+)\)\s*$")


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made from.

    Attributes:
        question: as asked.
        positions: the leading one first (:func:`rag.conflicts.verdict.grouping.group_readings`).
        memory: with its relation; ``None`` if it was not asked.
        assumption: what the question tells to assume; empty without one.
        texts: of the passages by passage_id, to tell an altered copy; may be empty.
    """

    question: str
    positions: tuple[Position, ...] = ()
    memory: Memory | None = None
    assumption: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)


def judge(evidence: Evidence, *, asked: Asked | None = None, same: Same = same_answer) -> Verdict:
    """The verdict, with its summary.

    Args:
        evidence: positions and memory.
        asked: what the question asks for; read from its words by default.
        same: compares two answers.
    """
    asked = asked or read_question(evidence.question)
    kind, positions = classify(evidence, asked, same)
    memory = _relate_again(evidence, kind, positions, same)
    flags = tuple(_flags(evidence, kind, positions, memory, asked))
    verdict = Verdict(kind, "", positions, memory, flags)
    return replace(verdict, summary=summarize(verdict))


def classify(evidence: Evidence, asked: Asked, same: Same = same_answer) -> tuple[VerdictKind, tuple[Position, ...]]:
    """The primary kind, and the positions with what is superseded marked, the leading one first."""
    positions = evidence.positions
    if asked.is_empty:
        return "none", positions
    if not positions:
        return "silent", ()
    best = max(position.confidence for position in positions)
    sure = lead([position for position in positions if position.confidence >= MIN_CONFIDENCE_SHARE * best])
    if len(sure) < 2:
        return "agreement", sure
    if (asked.takes_many and not all(is_list(position.answer) for position in sure)) or are_other_entities(sure):
        return "complementary", positions
    if asked.is_opinion or all(_is_opinion(position) for position in sure):
        return "opinions", positions
    dated = mark_superseded(positions, asked)
    if sum(not position.is_superseded for position in dated) == 1:
        return "outdated", lead(dated)
    if _is_misinformation(evidence, sure, same):
        return "misinformation", positions
    return "contradiction", lead(dated)


def mark_superseded(positions: Sequence[Position], asked: Asked) -> tuple[Position, ...]:
    """Positions with those marked that a newer one takes the place of; an undated one neither wins nor loses.

    Only where the right answer changes with time, or where every sentence of the position says that it is over.
    """
    return tuple(
        replace(position, is_superseded=any(_supersedes(other, position, asked) for other in positions))
        for position in positions
    )


def are_other_entities(positions: Sequence[Position]) -> bool:
    """Whether the positions speak of different things of one name, told apart by their titles' brackets."""
    qualifiers = [{_qualifier(reading.title) for reading in position.readings} for position in positions]
    return all("" not in names for names in qualifiers) and all(
        not one & other for i, one in enumerate(qualifiers) for other in qualifiers[:i]
    )


def _supersedes(newer: Position, older: Position, asked: Asked) -> bool:
    if newer is older or is_over(newer):
        return False
    if is_over(older):
        return not older.date or not newer.date or not is_newer(older.date, newer.date)
    return asked.can_change and bool(newer.date) and is_newer(newer.date, older.date) and bool(older.date)


def is_over(position: Position) -> bool:
    """Whether every sentence of a position says that it held until some time."""
    quotes = [reading.quote for reading in position.readings]
    return all(quotes) and all(read_validity(quote, position.answer).end for quote in quotes)


def _is_misinformation(evidence: Evidence, positions: Sequence[Position], same: Same) -> bool:
    """A lone source against several independent ones, or against a memory that knows and that another one confirms."""
    counts = sorted((position.num_sources for position in positions), reverse=True)
    if counts[1] == 1 and (counts[0] >= MIN_INDEPENDENT or (counts[0] > 1 and _are_altered(evidence, positions))):
        return True
    memory = evidence.memory
    if memory is None or not does_know(memory) or counts[1] > 1:
        return False
    return any(says_same(memory.answer, position, evidence.question, same) for position in positions)


def _are_altered(evidence: Evidence, positions: Sequence[Position]) -> bool:
    """Whether every lone position stands in an edited copy of a passage of the one with most sources."""
    leading = max(positions, key=lambda position: position.num_sources)
    originals = [evidence.texts.get(reading.passage_id, "") for reading in leading.readings]
    lone = [reading for position in positions if position is not leading for reading in position.readings]
    return all(is_altered_copy(evidence.texts.get(reading.passage_id, ""), originals) for reading in lone)


def _is_opinion(position: Position) -> bool:
    return any(_OPINION.search(reading.quote) for reading in position.readings)


def _qualifier(title: str) -> str:
    match = _QUALIFIER.search(title)
    return normalize(match[1]) if match else ""


def _relate_again(evidence: Evidence, kind: VerdictKind, positions: tuple[Position, ...], same: Same) -> Memory | None:
    """The memory's relation to the position that leads now, or to every one where several can be right."""
    memory = evidence.memory
    if memory is None or not positions:
        return memory if memory is None else replace(memory, relation="silent")
    right = positions if kind in ("complementary", "opinions") else positions[:1]
    if memory.answer.strip() and any(says_same(memory.answer, p, evidence.question, same) for p in right):
        return replace(memory, relation="agrees")
    return replace(memory, relation="contradicts" if does_know(memory) else "unsure")


def _flags(
    evidence: Evidence, kind: VerdictKind, positions: Sequence[Position], memory: Memory | None, asked: Asked
) -> Iterator[str]:
    if memory and memory.relation == "contradicts" and kind not in ("opinions", "none"):
        yield "memory_contradicts"
    if memory and not memory.is_calibrated:
        yield "uncalibrated"
    if any(position.is_superseded for position in positions):
        yield "superseded"
    if any(has_copies(position) for position in positions):
        yield "copies"
    if len(positions) > 1 and asked.can_change and not all(position.date for position in positions):
        yield "undated"
    if evidence.assumption:
        yield "assumption"
    if len(positions) > MANY_POSITIONS:
        yield "many_positions"


def has_copies(position: Position) -> bool:
    """Whether documents of a position are copies of each other."""
    return position.num_sources < len({reading.doc_id for reading in position.readings})
