"""The order in which jobs are worked on: each once, and each tenant in turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from threading import Condition

from rag.service.jobs.store import queue_full


@dataclass(frozen=True)
class Ticket:
    """A job that waits, and whose it is."""

    job_id: str
    tenant: str
    library: str


class FairQueue:
    """Jobs that wait for one of several workers.

    The tenant whose last turn was longest ago is next. One tenant never occupies all workers, where there are several:
    another one's short text need not wait for a book. One library has one job at a time.

    Args:
        num_workers: how many take jobs from here.
        max_waiting: jobs that may wait; more are refused.
    """

    def __init__(self, num_workers: int, max_waiting: int) -> None:
        self._share = max(1, num_workers - 1)
        self._max_waiting = max_waiting
        self._waiting: dict[str, deque[Ticket]] = {}
        self._running: set[Ticket] = set()
        self._last_turn: dict[str, int] = {}
        self._turns = count(1)
        self._is_closed = False
        self._changed = Condition()

    def __len__(self) -> int:
        """Jobs that wait."""
        with self._changed:
            return self._num_waiting()

    def check_room(self) -> None:
        """Return if another job may wait.

        Raises:
            Problem: 503, too many do.
        """
        with self._changed:
            if self._num_waiting() >= self._max_waiting:
                raise queue_full(self._max_waiting)

    def put(self, ticket: Ticket) -> bool:
        """Let a job wait; False if it waits or runs already."""
        with self._changed:
            line = self._waiting.setdefault(ticket.tenant, deque())
            if ticket in self._running or ticket in line:
                return False
            line.append(ticket)
            self._changed.notify()
            return True

    def take(self) -> Ticket | None:
        """The next job, as soon as there is one; ``None`` when the queue is closed. :meth:`done` must follow."""
        with self._changed:
            while not self._is_closed:
                ticket = self._next()
                if ticket is not None:
                    return self._start(ticket)
                self._changed.wait()
            return None

    def done(self, ticket: Ticket) -> None:
        """A job that was taken is no longer worked on."""
        with self._changed:
            self._running.discard(ticket)
            self._changed.notify_all()

    def close(self) -> None:
        """Send the workers home."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _num_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _next(self) -> Ticket | None:
        libraries = {(ticket.tenant, ticket.library) for ticket in self._running}
        for tenant in sorted(self._waiting, key=lambda name: self._last_turn.get(name, 0)):
            if sum(ticket.tenant == tenant for ticket in self._running) < self._share:
                free = (one for one in self._waiting[tenant] if (tenant, one.library) not in libraries)
                if (ticket := next(free, None)) is not None:
                    return ticket
        return None

    def _start(self, ticket: Ticket) -> Ticket:
        line = self._waiting[ticket.tenant]
        line.remove(ticket)
        if not line:
            del self._waiting[ticket.tenant]
        self._running.add(ticket)
        self._last_turn[ticket.tenant] = next(self._turns)
        return ticket
