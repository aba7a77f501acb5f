"""One thread, one running batch, many callers.

Callers in any number of threads hand in jobs and read their own events. One thread owns the batch and steps it; no
other thread runs the model.

    caller A  --jobs---->  arrivals   ┐                    ┌ -->  events of A
    caller B  --jobs---->  arrivals   ├ driver: the batch ─┤
    caller C  --close--->  departures ┘                    └ -->  events of B

The thread starts with the first job and ends when no caller waits. What its batches have freed then goes back to the
system.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Protocol

from rag.core.errors import UnavailableError
from rag.core.process.heap import trim_heap
from rag.generation.base import Done
from rag.generation.cancel import on_cancel
from rag.generation.transformers.jobs import Failed, Job, JobEvent, Scored
from rag.generation.transformers.waiting import Waiting


class Batch(Protocol):
    """A running batch; one thread calls it. A job is known by its ticket, which is the ``index`` of its events."""

    def step(self, waiting: Waiting[Job]) -> Iterator[JobEvent]:
        """Advance every running job by one token, then take from ``waiting`` what there is room for."""
        ...

    def drop(self, tickets: Collection[int]) -> None:
        """Stop these jobs and free what they hold."""
        ...


@dataclass(eq=False)
class _Call:
    """One caller: its jobs by ticket, and the queue that it reads."""

    jobs: dict[int, tuple[int, Job]]
    events: SimpleQueue[JobEvent | BaseException] = field(default_factory=SimpleQueue)


class Driver:
    """Runs the jobs of all callers in one batch.

    Args:
        make_batch: gives an empty batch. The driver's thread calls it, again after a batch has ended or failed.
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

    def stream(self, jobs: Sequence[Job], order: Sequence[int]) -> Iterator[JobEvent]:
        """Events of ``jobs``, which are taken in ``order``; closing the iterator stops them within one step.

        Raises:
            UnavailableError: the driver is or was closed, or the reading was cancelled.
            Exception: the error of one of these jobs; the other jobs of this call are stopped.
        """
        if not jobs:
            return
        call = _Call({next(self._tickets): (index, jobs[index]) for index in order})
        self._enter(call)
        try:
            on_cancel(lambda: self._cancel(call))
            num_left = len(jobs)
            while num_left:
                event = call.events.get()
                if isinstance(event, BaseException):
                    raise event
                num_left -= isinstance(event, (Done, Scored))
                yield event
        finally:
            self._leave(call)

    def close(self) -> None:
        """Stop everything: callers get :class:`UnavailableError`. Returns when the thread has ended."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._fail(_closed)
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

    def _fail(self, make_error: Callable[[], BaseException], *, is_last_act: bool = False) -> None:
        """End all calls, each with its own error. As the thread's last act it lets the next call start a new thread."""
        with self._lock:
            if is_last_act:
                self._thread = None
                self._arrivals.clear()
            calls, self._calls = self._calls, []
            self._departures += calls
        for call in calls:
            call.events.put(make_error())

    def _run(self) -> None:
        callers: dict[int, _Call] = {}
        waiting: Waiting[Job] = Waiting()
        try:
            batch = self._make_batch()
            while self._turn(batch, waiting, callers):
                for event in batch.step(waiting):
                    self._deliver(callers.get(event.index), event)
            del batch
            trim_heap()
        except BaseException as error:  # whatever it is, the waiting callers must get it
            self._fail(partial(_crashed, error), is_last_act=True)

    def _deliver(self, call: _Call | None, event: JobEvent) -> None:
        if call is None:  # it left in this turn
            return
        if isinstance(event, Failed):
            self._leave(call)
            call.events.put(event.error)
        else:
            call.events.put(replace(event, index=call.jobs[event.index][0]))

    def _turn(self, batch: Batch, waiting: Waiting[Job], callers: dict[int, _Call]) -> bool:
        """Admit and release callers between two steps; returns whether there is work left."""
        with self._lock:
            arrivals, self._arrivals = self._arrivals, []
            departures, self._departures = self._departures, []
            if not self._calls:
                self._thread = None
                return False
        for call in arrivals:
            callers |= dict.fromkeys(call.jobs, call)
            waiting.add([(ticket, job) for ticket, (_, job) in call.jobs.items()])
        gone = {ticket for call in departures for ticket in call.jobs}
        if gone:
            waiting.drop(gone)
            batch.drop(gone)
            for ticket in gone:
                callers.pop(ticket, None)
        return True


def _closed() -> UnavailableError:
    return UnavailableError("the generator is closed; open the engine again")


def _crashed(error: BaseException) -> UnavailableError:
    """For all callers of a batch that broke. It hides the error's text, which may quote another caller's request."""
    crash = UnavailableError("the generator failed in the middle of a batch; ask again")
    crash.__cause__ = error
    return crash
