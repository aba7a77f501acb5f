"""What two readers found in the same passages: the one that reads better first, the other one where it says nothing.

A reader skill is right more often, and says more often that a passage does not answer. Measured on the sets of
``benchmarks/verdict_reading.py``, the encoder is right in a part of those cases, and stays silent where the passage
belongs to another question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.core.verdict import Reading

# Where the first reader answers from one passage and finds nothing in another one, the second reader must be this sure.
# Chosen on even-numbered rows of RAMDocs.
SURE_FROM = 0.5


def merge_readings(first: Sequence[Reading], second: Sequence[Reading]) -> tuple[Reading, ...]:
    """Reading by reading: that of ``first``, or that of ``second`` where ``first`` has no answer.

    A reader that answers from one of the passages is believed when it finds nothing in the others, unless the second
    one is sure.

    Args:
        first, second: of the same passages, in the same order.

    >>> from rag.core.verdict import Reading
    >>> says, silent = Reading("a:0", "a", "a", "", "1889"), Reading("a:0", "a", "a", "", "")
    >>> merge_readings([silent], [says])[0].answer
    '1889'
    """
    needed = SURE_FROM if any(reading.answer for reading in first) else 0.0
    return tuple(one if one.answer else _if_sure(other, needed) for one, other in zip(first, second, strict=True))


def _if_sure(reading: Reading, needed: float) -> Reading:
    """A reading, without its answer where it is not sure enough."""
    return reading if reading.confidence >= needed else replace(reading, answer="", quote="")
