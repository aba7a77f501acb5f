"""Jobs that wait for room in the batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

J = TypeVar("J")


class Waiting(Generic[J]):
    """Jobs that are not in the batch yet. Callers take turns, so that a long list does not starve a short one."""

    def __init__(self) -> None:
        self._turns: deque[deque[tuple[int, J]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._turns)

    @property
    def next(self) -> tuple[int, J]:
        """The ticket and the job whose turn it is."""
        return self._turns[0][0]

    def add(self, jobs: Sequence[tuple[int, J]]) -> None:
        """Add a caller, with its jobs in the order in which it wants them."""
        self._turns.append(deque(jobs))

    def pop(self) -> tuple[int, J]:
        """Take :attr:`next`; the turn passes to the next caller."""
        mine = self._turns.popleft()
        taken = mine.popleft()
        if mine:
            self._turns.append(mine)
        return taken

    def drop(self, tickets: Collection[int]) -> None:
        """Forget these jobs."""
        others = (deque(entry for entry in mine if entry[0] not in tickets) for mine in self._turns)
        self._turns = deque(mine for mine in others if mine)
