"""The verdict on one question: what each source says, what the model's memory says, and whether that matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# One primary kind. ``none`` is a question that asks nothing; ``agreement`` includes a single position.
VerdictKind = Literal[
    "agreement", "complementary", "opinions", "outdated", "misinformation", "contradiction", "silent", "none"
]
Relation = Literal["agrees", "contradicts", "unsure", "silent"]
Policy = Literal["documents", "newest", "majority", "balanced", "all", "memory"]
OnSilence = Literal["say", "memory", "ask"]
ReadBy = Literal["encoder", "skill", "both"]

# What an answer says where the documents are silent; a reader skill learnt to reply exactly this.
NOT_STATED = "The documents do not say."


@dataclass(frozen=True)
class Reading:
    """What one passage, read alone, answers.

    Attributes:
        passage_id, doc_id, source, title: the passage.
        answer: as the passage gives it; empty where it says nothing of the question.
        quote: the sentence of the passage that the answer stands in; empty without one.
        confidence: 0 to 1, how sure it is that the passage says so.
        date: ISO 8601, of the statement or of the document; empty where unknown. Never the time of ingestion.
        location: page, slide, sheet or line.
    """

    passage_id: str
    doc_id: str
    source: str
    title: str
    answer: str
    quote: str = ""
    confidence: float = 1.0
    date: str = ""
    location: str = ""


@dataclass(frozen=True)
class Position:
    """One answer, and who gives it.

    Attributes:
        answer: in its fullest wording.
        readings: every passage that gives it.
        num_sources: independent ones; passages of one document, and copies, count once.
        confidence: 0 to 1, of the best reading.
        date: the latest date of its readings; empty where none is known.
        is_superseded: a newer position takes its place.
    """

    answer: str
    readings: tuple[Reading, ...]
    num_sources: int
    confidence: float
    date: str = ""
    is_superseded: bool = False


@dataclass(frozen=True)
class Memory:
    """The model's own answer, without documents.

    Attributes:
        answer: the greedy answer; empty if the model was not asked.
        knows: 0 to 1, the probability that the answer is right.
        relation: of memory to the leading position. ``unsure``: it does not know, so nothing conflicts. ``silent``:
            the documents hold no answer.
        is_calibrated: ``knows`` was calibrated for this model.
    """

    answer: str
    knows: float
    relation: Relation
    is_calibrated: bool = True


@dataclass(frozen=True)
class Verdict:
    """What the sources say, and whether it matters.

    Attributes:
        kind: the primary kind.
        flags: further findings, such as ``memory_contradicts``, ``copies``, ``superseded``, ``unsupported``.
        summary: one sentence for a person, made from the fields below.
        positions: the leading one first.
        memory: the model's own voice; ``None`` if it was not asked.
    """

    kind: VerdictKind
    summary: str
    positions: tuple[Position, ...] = ()
    memory: Memory | None = None
    flags: tuple[str, ...] = ()
