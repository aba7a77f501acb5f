"""The contract of a judge: does a passage support an answer? Entail, contradict or neutral, with probabilities.

Source: the module of Four-Module Synergy (Shi et al. 2024); evidence, prompt and weights ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.core.passages import Passage

# Passages, best first, that :meth:`Judge.support` looks at.
NUM_SUPPORTING = 3


@dataclass(frozen=True)
class Verdict:
    """The judgement of one passage: probabilities that sum to 1."""

    entail: float
    neutral: float
    contradict: float = 0.0

    @property
    def label(self) -> str:
        """The likeliest of ``entail``, ``neutral`` and ``contradict``."""
        return max(("entail", "neutral", "contradict"), key=lambda name: getattr(self, name))


class Judge(Protocol):
    """Judges the passages of several questions in one batch."""

    def judge(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[list[Verdict]]:
        """One verdict per passage, in order; a question's verdicts depend on its own passages alone."""
        ...

    def support(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[float]:
        """How well each question's passages (best first) answer it, 0 to 1; 0 without passages."""
        ...
