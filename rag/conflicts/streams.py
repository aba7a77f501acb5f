"""From the two streams to a verdict: did the model's memory and the documents disagree?

Everything is read off the distributions of the one generation that made the answer. The streams' own answers come
from the same batch: where a stream agrees with the emitted tokens it costs nothing, where it departs it forks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rag.core.answer import Conflict, Step
from rag.generation.base import Generation

# The largest Jensen-Shannon divergence, nats; not imported from the tensor code, which would load torch.
MAX_JSD = math.log(2)


def report(generation: Generation, threshold: float) -> Conflict:
    """The conflict report of one answer: a conflict when the score reaches ``threshold``."""
    score = conflict_score(generation.steps)
    return Conflict(
        score=score,
        is_conflict=score >= threshold,
        context_answer=generation.context_answer,
        memory_answer=generation.memory_answer,
        steps=generation.steps,
    )


def conflict_score(steps: Sequence[Step]) -> float:
    """Mean divergence of the streams over the answer's tokens, as a share of its maximum (ln 2).

    The mean, because the largest divergence is often a matter of style at one token: on facts that the default
    model knows, the mean tells conflicting passages from agreeing ones best (``benchmarks/conflict.py``).

    Source: ours, from AdaCAD's divergence (Wang et al. 2024).
    """
    divergences = [step.jsd for step in steps if step.jsd is not None]
    if not divergences:
        return 0.0
    return sum(divergences) / len(divergences) / MAX_JSD
