"""One progress bar on standard error for everything that takes long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A bar from 0 to 1. The work is done in steps, and each step fills its share of the bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def say(self, text: str) -> None:
        """Show another text beside the bar."""
        self._progress.update(self._task, description=text)

    def reach(self, share: float) -> None:
        """Fill the bar up to ``share``, 0 to 1."""
        self._progress.update(self._task, completed=share)

    def advance(self, share: float) -> None:
        """Fill the bar by ``share`` more."""
        self._progress.update(self._task, advance=share)

    def over(self, items: Iterable[Any], share: float) -> Iterator[Any]:
        """Iterate over ``items``, which together fill ``share`` of the bar."""
        listed = list(items)
        for item in listed:
            yield item
            self.advance(share / len(listed))


@contextmanager
def progress_bar(text: str) -> Iterator[Bar]:
    """A bar that disappears when the work is done. Without a terminal the text is printed once."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress, progress.add_task(text, total=1.0))
