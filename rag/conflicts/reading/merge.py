"""What two readers found in the same passages: the one that reads better first, the other one where it says nothing.

A reader skill is right more often, and says more often that a passage does not answer. Measured on the sets of
``benchmarks/verdict_reading.py``, the encoder is right in a part of those cases, and stays silent where the passage
belongs to another question.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.core.verdict import Reading


def merge_readings(first: Sequence[Reading], second: Sequence[Reading]) -> tuple[Reading, ...]:
    """Reading by reading: that of ``first``, or that of ``second`` where ``first`` has no answer.

    Args:
        first, second: of the same passages, in the same order.

    >>> from rag.core.verdict import Reading
    >>> says, silent = Reading("a:0", "a", "a", "", "1889"), Reading("a:0", "a", "a", "", "")
    >>> merge_readings([silent], [says])[0].answer
    '1889'
    """
    return tuple(one if one.answer else other for one, other in zip(first, second, strict=True))
