"""What the verdicts of a run say, counted: documents that agree, contradict each other or are silent, and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from eval.metrics.answers import contains_answer
from eval.records import Record

_CLASHES = ("contradiction", "misinformation", "outdated")


@dataclass(frozen=True)
class VerdictCounts:
    """Questions of a run by what the verdict said.

    Attributes:
        num_verdicts: questions that have one; all other numbers are of these.
        documents_agree: every source that answers gives one answer.
        documents_contradict: sources contradict each other, an outdated one included.
        documents_silent: no source answers.
        several_positions: the sources give more than one answer, whether or not they contradict each other.
        memory_agrees, memory_contradicts, memory_unsure: the model's own answer beside the leading position.
        num_positioned: questions with at least one position.
        num_supported: of those, the answers that state one of the positions.
        policy: what the answers follow; empty where the run does not say.
    """

    num_verdicts: int
    documents_agree: int
    documents_contradict: int
    documents_silent: int
    several_positions: int
    memory_agrees: int
    memory_contradicts: int
    memory_unsure: int
    num_positioned: int
    num_supported: int
    policy: str = ""

    @property
    def supported_share(self) -> float | None:
        """Share of the answers that state a position, where there is one; ``None`` where there never is."""
        return self.num_supported / self.num_positioned if self.num_positioned else None

    def to_dict(self) -> dict[str, object]:
        """The counts as plain JSON values."""
        return asdict(self) | {"supported_share": self.supported_share}


def count_verdicts(records: Sequence[Record], policy: str = "") -> VerdictCounts | None:
    """The verdicts of ``records``; ``None`` where the run made none."""
    pairs = [(record, record.verdict) for record in records if record.verdict is not None]
    if not pairs:
        return None
    verdicts = [verdict for _, verdict in pairs]
    relations = [verdict.relation for verdict in verdicts]
    positioned = [(record.answer or "", verdict.positions) for record, verdict in pairs if verdict.positions]
    return VerdictCounts(
        num_verdicts=len(verdicts),
        documents_agree=sum(verdict.kind == "agreement" for verdict in verdicts),
        documents_contradict=sum(verdict.kind in _CLASHES for verdict in verdicts),
        documents_silent=sum(verdict.kind == "silent" for verdict in verdicts),
        several_positions=sum(len(verdict.positions) > 1 for verdict in verdicts),
        memory_agrees=relations.count("agrees"),
        memory_contradicts=relations.count("contradicts"),
        memory_unsure=relations.count("unsure"),
        num_positioned=len(positioned),
        num_supported=sum(contains_answer(text, answers) > 0 for text, answers in positioned),
        policy=policy,
    )
