"""What is made of a library: questions with their answers and places, and what was left out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MadeQuestion:
    """A question with its answer and where that stands.

    Attributes:
        sources: the documents that give this answer.
        location, quote: where the first of them gives it, and the sentence.
        support: 0 to 1, how sure the judge is that the passage answers; ``None`` where none was asked.
        writer: who wrote it.
    """

    question: str
    answer: str
    sources: tuple[str, ...]
    location: str
    quote: str
    support: float | None
    writer: str

    def to_row(self) -> dict[str, object]:
        """A row of the data set ``plain``, with what a reviewer wants to see."""
        name = hashlib.sha256(f"{self.sources[0]}\n{self.question}".encode()).hexdigest()[:12]
        about: dict[str, object] = {
            "location": self.location,
            "quote": self.quote,
            "support": self.support,
            "group": self.writer,
        }
        asked: dict[str, object] = {
            "id": name,
            "question": self.question,
            "answers": [self.answer],
            "gold_doc_ids": list(self.sources),
        }
        return asked | about


@dataclass(frozen=True)
class Limits:
    """How many questions are made, and how good they must be.

    Attributes:
        questions: most of all.
        per_document: most of one document.
        min_support: least support by the judge, 0 to 1.
        seed: of the order of the documents.
    """

    questions: int = 100
    per_document: int = 5
    min_support: float = 0.5
    seed: int = 0


@dataclass
class Made:
    """What was made, and what was not.

    Attributes:
        questions: in the order of their making.
        num_documents: documents of the library.
        num_unsupported: drafts that the judge refused.
        ambiguous: questions to which two documents give different answers; they are left out.
    """

    questions: list[MadeQuestion] = field(default_factory=list)
    num_documents: int = 0
    num_unsupported: int = 0
    ambiguous: list[str] = field(default_factory=list)
