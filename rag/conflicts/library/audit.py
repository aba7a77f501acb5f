"""What a model holds of a library's claims: it is asked, without documents, the questions that the claims answer.

Each answer is kept in a file as soon as it is there, so an interrupted audit goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rag.conflicts.answers.same import same_answer
from rag.conflicts.memory.calibration import Calibration, knows, recall
from rag.conflicts.memory.recall import Recall
from rag.conflicts.verdict.memory import does_know
from rag.core.errors import StorageError
from rag.core.process.files import write_atomically
from rag.core.verdict import Memory
from rag.generation.base import Generator

FILE_NAME = "audit.jsonl"
_BATCH = 16
# Worst first.
RELATIONS = ("contradicts", "unsure", "agrees")


@dataclass(frozen=True)
class Claim:
    """What a document says, as a question and its answer.

    Attributes:
        question: made of a sentence of the document.
        answer: as the document gives it.
        doc_id, source: the document.
    """

    question: str
    answer: str
    doc_id: str
    source: str


@dataclass(frozen=True)
class Belief:
    """What the model says to one claim.

    Attributes:
        claim: what the document says.
        answer: the model's own.
        knows: 0 to 1, the probability that its answer is right.
        relation: ``contradicts`` (it knows otherwise), ``unsure`` (it does not know), ``agrees``.
    """

    claim: Claim
    answer: str
    knows: float
    relation: Literal["contradicts", "unsure", "agrees"]


@dataclass(frozen=True)
class AuditFile:
    """Where the beliefs of one audit are kept.

    Attributes:
        file: JSON lines; a line that a kill cut short does not count.
        stamp: of the model and its calibration. Beliefs of another one do not count.
    """

    file: Path
    stamp: str

    def load(self) -> dict[Claim, Belief]:
        """The beliefs that are there already."""
        try:
            lines = self.file.read_text("utf-8").splitlines()
        except OSError:
            return {}
        return {belief.claim: belief for belief in map(self._parse, lines) if belief is not None}

    def append(self, beliefs: Sequence[Belief]) -> None:
        """Add beliefs.

        Raises:
            StorageError: the file cannot be written.
        """
        text = "".join(json.dumps({"stamp": self.stamp, **asdict(belief)}) + "\n" for belief in beliefs)
        try:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise StorageError(
                f"cannot write {self.file}: {error.strerror}; free some space, then audit again"
            ) from error

    def _parse(self, line: str) -> Belief | None:
        try:
            row = json.loads(line)
            if row.pop("stamp") != self.stamp:
                return None
            return Belief(**{**row, "claim": Claim(**row["claim"])})
        except (ValueError, TypeError, KeyError):
            return None


def forget_document(file: Path, doc_id: str) -> None:
    """Remove the beliefs about one document from the file of an audit.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError:
        return
    others = [line for line in lines if json.dumps(doc_id) not in line]
    if len(others) == len(lines):
        return
    try:
        write_atomically(file, "".join(f"{line}\n" for line in others).encode())
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}; free some space, then remove it again") from error


def audit(
    claims: Sequence[Claim],
    generator: Generator,
    calibration: Calibration | None,
    kept: AuditFile | None = None,
    report: Callable[[int, int], None] = lambda done, of: None,
    *,
    cache_salt: str = "",
) -> list[Belief]:
    """What the model holds of each claim: what it knows otherwise first, the surest of them on top.

    Args:
        claims: of one library.
        generator: the model.
        calibration: of the model; without one it never knows otherwise.
        kept: beliefs of an earlier run, and where new ones go.
        report: told how many claims of how many are done.
        cache_salt: requests carry it.
    """
    known = kept.load() if kept else {}
    beliefs = {claim: known[claim] for claim in claims if claim in known}
    report(len(beliefs), len(claims))
    for batch in _batches([claim for claim in dict.fromkeys(claims) if claim not in beliefs]):
        recalls = recall(generator, [claim.question for claim in batch], cache_salt=cache_salt)
        new = [_believe(claim, item, calibration) for claim, item in zip(batch, recalls, strict=True)]
        if kept:
            kept.append(new)
        beliefs |= dict(zip(batch, new, strict=True))
        report(len(beliefs), len(claims))
    return sorted(beliefs.values(), key=lambda belief: (RELATIONS.index(belief.relation), -belief.knows))


def _batches(claims: Sequence[Claim]) -> Iterator[Sequence[Claim]]:
    for first in range(0, len(claims), _BATCH):
        yield claims[first : first + _BATCH]


def _believe(claim: Claim, item: Recall, calibration: Calibration | None) -> Belief:
    chance = round(knows(item, calibration), 4)
    memory = Memory(item.answer, chance, "unsure", calibration is not None)
    if item.answer and same_answer(item.answer, claim.answer, claim.question) != "different":
        return Belief(claim, item.answer, chance, "agrees")
    return Belief(claim, item.answer, chance, "contradicts" if does_know(memory) else "unsure")
