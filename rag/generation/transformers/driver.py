"""One thread, one running batch, many callers.

Callers in any number of threads hand in requests and read their own events; one thread owns the batch and steps it.

    caller A  --requests-->  arrivals   ┐                    ┌ -->  events of A
    caller B  --requests-->  arrivals   ├ driver: the batch ─┤
    caller C  --close---->   departures ┘                    └ -->  events of B

The thread starts with the first request and ends when nobody waits for anything.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Protocol

from rag.core.errors import UnavailableError
from rag.generation.base import Done, Event, Request
from rag.generation.cancel import on_cancel


class Waiting:
    """Requests that are not in the batch yet. Callers take turns, so that a long list does not starve a short one."""

    def __init__(self) -> None:
        self._turns: deque[deque[tuple[int, Request]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._turns)

    @property
    def next(self) -> tuple[int, Request]:
        """The ticket and the request whose turn it is."""
        return self._turns[0][0]

    def add(self, requests: Sequence[tuple[int, Request]]) -> None:
        """One more caller, its requests in the order in which it wants them."""
        self._turns.append(deque(requests))

    def pop(self) -> tuple[int, Request]:
        """Take :attr:`next`; the turn passes to the next caller."""
        mine = self._turns.popleft()
        taken = mine.popleft()
        if mine:
            self._turns.append(mine)
        return taken

    def drop(self, tickets: Collection[int]) -> None:
        """Forget these requests."""
        kept = (deque(entry for entry in mine if entry[0] not in tickets) for mine in self._turns)
        self._turns = deque(mine for mine in kept if mine)


class Batch(Protocol):
    """A running batch; one thread calls it. Requests are known by their tickets: an event's ``index`` is one."""

    def step(self, waiting: Waiting) -> Iterator[Event]:
        """Every running request by one token, then take from ``waiting`` what there is room for."""
        ...

    def drop(self, tickets: Collection[int]) -> None:
        """Stop these requests and free what they hold."""
        ...


@dataclass(eq=False)
class _Call:
    """One caller: its requests by ticket, and the queue that it reads."""

    requests: dict[int, tuple[int, Request]]
    events: SimpleQueue[Event | BaseException] = field(default_factory=SimpleQueue)


class Driver:
    """Runs the requests of all callers in one batch.

    Args:
        make_batch: an empty batch; called in the driver's thread, anew after it has ended or failed.
    """

    def __init__(self, make_batch: Callable[[], Batch]) -> None:
        self._make_batch = make_batch
        self._tickets = itertools.count()
        self._lock = Lock()  # guards what follows
        self._calls: list[_Call] = []
        self._arrivals: list[_Call] = []
        self._departures: list[_Call] = []
        self._thread: Thread | None = None
        self._is_closed = False

    def stream(self, requests: Sequence[Request], order: Sequence[int]) -> Iterator[Event]:
        """Events of ``requests``, which are taken in ``order``; closing the iterator stops them within one step.

        Raises:
            UnavailableError: the driver is closed, or was closed meanwhile; the reading was cancelled.
        """
        if not requests:
            return
        call = _Call({next(self._tickets): (index, requests[index]) for index in order})
        self._enter(call)
        try:
            on_cancel(lambda: self._cancel(call))
            num_left = len(requests)
            while num_left:
                event = call.events.get()
                if isinstance(event, BaseException):
                    raise event
                num_left -= isinstance(event, Done)
                yield event
        finally:
            self._leave(call)

    def close(self) -> None:
        """Stop everything: callers get :class:`UnavailableError`. Returns when the thread has ended."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._fail(_closed())
        if thread is not None:
            thread.join()

    def _enter(self, call: _Call) -> None:
        with self._lock:
            if self._is_closed:
                raise _closed()
            self._calls.append(call)
            self._arrivals.append(call)
            if self._thread is None:
                # Not a daemon: the interpreter must not take the model away in the middle of a forward.
                self._thread = Thread(target=self._run, name="generation")
                self._thread.start()

    def _leave(self, call: _Call) -> None:
        with self._lock:
            if call in self._calls:
                self._calls.remove(call)
                self._departures.append(call)

    def _cancel(self, call: _Call) -> None:
        self._leave(call)
        call.events.put(UnavailableError("the request was cancelled"))

    def _fail(self, error: BaseException) -> None:
        """End all calls with ``error``."""
        with self._lock:
            calls, self._calls = self._calls, []
            self._departures += calls
        for call in calls:
            call.events.put(error)

    def _run(self) -> None:
        owners: dict[int, _Call] = {}
        waiting = Waiting()
        try:
            batch = self._make_batch()
            while self._turn(batch, waiting, owners):
                for event in batch.step(waiting):
                    call = owners[event.index]
                    call.events.put(replace(event, index=call.requests[event.index][0]))
        except BaseException as error:  # whatever it is, those who wait must hear of it
            with self._lock:
                self._thread = None
                self._arrivals.clear()
            self._fail(error)

    def _turn(self, batch: Batch, waiting: Waiting, owners: dict[int, _Call]) -> bool:
        """Let callers in and out between two steps; whether there is anything left to do."""
        with self._lock:
            arrivals, self._arrivals = self._arrivals, []
            departures, self._departures = self._departures, []
            if not self._calls:
                self._thread = None
                return False
        for call in arrivals:
            owners |= dict.fromkeys(call.requests, call)
            waiting.add([(ticket, request) for ticket, (_, request) in call.requests.items()])
        gone = {ticket for call in departures for ticket in call.requests}
        if gone:
            waiting.drop(gone)
            batch.drop(gone)
            for ticket in gone:
                owners.pop(ticket, None)
        return True


def _closed() -> UnavailableError:
    return UnavailableError("the generator is closed; open the engine again")
