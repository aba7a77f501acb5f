"""A library of an earlier layout on its way to this version's, in steps.

A step is a transaction over some passages, in the order of their row ids. It also notes how far it came, so a killed
process is followed by one that goes on there. The note takes the place of the layout's number: versions that do not
know it refuse the library. Whoever opens it meanwhile is told how far it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rag.core.errors import UnavailableError
from rag.core.process.progress import Report

# How long opening waits for another process that is at it: small libraries are done by then.
WAIT_S = 2.0
_NOTE = re.compile(r"(\w+) from (\w+), passages up to (\d+)")


@dataclass(frozen=True)
class Upgrade:
    """What is noted in the place of the layout.

    Attributes:
        layout: of this version.
        origin: the earlier one.
        last_id: the passages up to this row id are done.
    """

    layout: str
    origin: str
    last_id: int = 0

    def __str__(self) -> str:
        return f"{self.layout} from {self.origin}, passages up to {self.last_id}"

    @classmethod
    def read(cls, text: str, layout: str) -> Upgrade | None:
        """The note in ``text``; ``None`` if it is a layout, or on its way to another one than ``layout``."""
        match = _NOTE.fullmatch(text)
        return cls(layout, match[2], int(match[3])) if match and match[1] == layout else None


def take_steps(take_step: Callable[[], int], num_done: int, num_all: int, report: Report | None) -> None:
    """Take steps, each of which gives the number of its passages, until one finds none left."""
    while number := take_step():
        num_done += number
        if report:
            report(num_done, num_all)


def busy_error(place: str, *, is_begun: bool, num_done: int, num_all: int) -> UnavailableError:
    """What a process is told that may not bring a library up to date now, since another one has the writer's place."""
    if not is_begun:
        return UnavailableError(
            f"{place} was made by an earlier version and must be brought up to date, but another process is writing to "
            "it; try again when that is done"
        )
    return UnavailableError(
        f"{place} was made by an earlier version and is being brought up to date by another process: {num_done} of "
        f"{num_all} passages are done; try again in a moment"
    )
