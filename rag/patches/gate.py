"""Which documents' patches a question gets, and how strongly."""

from __future__ import annotations

from collections.abc import Mapping

# A document whose cosine is this much below the best one's gets no patch.
_MARGIN = 0.15


def gate_weights(relevance: Mapping[str, float], gate: float) -> dict[str, float]:
    """Weight of each document's patch, 0 to 1; the best document above the gate gets 1.

    ``w = max(0, 1 - (best - relevance) / 0.15)``, and 0 below the gate. An unrelated patch does more harm than a
    related one does good, and patches that are added up disturb each other.

    Args:
        relevance: by document, the cosine of the question and its best retrieved passage.
        gate: least relevance of a patch that is used.

    Source: ours.
    """
    best = max(relevance.values(), default=0.0)
    weights = {doc_id: max(0.0, 1 - (best - value) / _MARGIN) for doc_id, value in relevance.items() if value >= gate}
    return {doc_id: round(weight, 4) for doc_id, weight in weights.items() if weight > 0.005}
