"""The verdict in one sentence or two for a person, made from its fields alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from rag.core.verdict import NOT_STATED, Memory, Position, Reading, Verdict

# More positions than this are counted, and only the first ones are named.
MAX_NAMED = 3
# A memory below this is not sure.
_SURE = 2 / 3


def summarize(verdict: Verdict) -> str:
    """What the sources say, whether it matters, and what the model's memory adds."""
    parts = [_documents(verdict), _matter(verdict), _memory(verdict)]
    return " ".join(part for part in parts if part)


def name_source(reading: Reading) -> str:
    """A document as a person calls it: its title, or its file's name."""
    name = PurePath(reading.source.rstrip("/")).name or reading.source
    return reading.title.strip() or name or reading.doc_id


def _documents(verdict: Verdict) -> str:
    if verdict.kind == "none":
        return "The question asks nothing."
    if not verdict.positions:
        return NOT_STATED
    named = "; ".join(_position(position, verdict.positions) for position in verdict.positions[:MAX_NAMED])
    more = len(verdict.positions) - MAX_NAMED
    return f"{named}{f'; {more} more answers differ' if more > 1 else '; 1 more answer differs' if more == 1 else ''}."


def _position(position: Position, positions: Sequence[Position]) -> str:
    return f"{_sources(position, positions)} {_quote(position.answer)}"


def _sources(position: Position, positions: Sequence[Position]) -> str:
    """Who says it: one document by name, several by number; the date where it tells positions apart."""
    documents = {reading.doc_id: reading for reading in reversed(position.readings)}
    first = position.readings[0]
    is_dated = len({other.date for other in positions}) > 1 and position.date
    date = f" ({position.date})" if is_dated and position.date[:4] not in name_source(first) else ""
    if len(documents) == 1:
        return f"{name_source(first)}{date} says"
    if position.num_sources == 1:
        return f"{len(documents)} copies of {name_source(first)}{date} say"
    if position.num_sources < len(documents):
        return (
            f"{len(documents)} documents ({position.num_sources} of them independent{date and ', ' + date[2:-1]}) say"
        )
    return f"{len(documents)} documents{date} say"


def _quote(answer: str) -> str:
    return re.sub(r"\s+", " ", answer).strip().rstrip(".")


def _matter(verdict: Verdict) -> str:
    """What the difference means."""
    match verdict.kind:
        case "contradiction" if "undated" in verdict.flags:
            return "They contradict each other, and not all of them have a date."
        case "contradiction":
            return "They contradict each other."
        case "outdated":
            return "The newer one replaces the older." if len(verdict.positions) == 2 else "The newest one leads."
        case "misinformation":
            return _lone(verdict)
        case "opinions":
            return "These are opinions."
        case "complementary":
            return "More than one answer can be right."
        case _:
            return ""


def _lone(verdict: Verdict) -> str:
    """Who stands alone, and against whom."""
    leading, lone = verdict.positions[0], verdict.positions[-1]
    if leading.num_sources == 1 and verdict.memory is not None:
        return f"The model knows {_quote(verdict.memory.answer)}; the other answer is probably wrong."
    if len(verdict.positions) > 2:
        return f"The other answers stand in one document each, against {leading.num_sources} independent ones."
    return f"{_quote(lone.answer)} stands in one document only, against {leading.num_sources} independent ones."


def _memory(verdict: Verdict) -> str:
    memory = verdict.memory
    if memory is None or verdict.kind == "none":
        return ""
    answer = _quote(memory.answer)
    if not answer:
        return "The model gives no answer of its own." if memory.relation == "silent" else ""
    if memory.relation == "contradicts":
        return f"The model knows otherwise: {answer}."
    if memory.relation == "silent":
        return f"The model believes {answer}{_certainty(memory)}."
    return "The model agrees." if memory.relation == "agrees" else "The model does not know."


def _certainty(memory: Memory) -> str:
    if not memory.is_calibrated:
        return "; how sure it is was never measured"
    return ", and is fairly sure" if memory.knows >= _SURE else ", and is unsure"
